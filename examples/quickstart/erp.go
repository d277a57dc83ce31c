package main

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/security"
)

// erp is the company's PostgreSQL. Its secret exists before the lake does: erp/replicator holds host, port, username and
// password.
func erp(stack awscdk.Stack) ingestion.Postgres {
	return ingestion.Postgres{
		Secret:   awssecretsmanager.Secret_FromSecretNameV2(stack, jsii.String("ErpSecret"), jsii.String("erp/replicator")),
		Database: "erp",
		Vpc:      network(stack),
		Subnets:  &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED},
	}
}

// network has no way out but to the services that a replication needs. In an account with a database there is a network
// already: awsec2.Vpc_FromLookup finds it.
func network(stack awscdk.Stack) awsec2.IVpc {
	vpc := awsec2.NewVpc(stack, jsii.String("Network"), &awsec2.VpcProps{
		MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0), RestrictDefaultSecurityGroup: jsii.Bool(false),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("Data"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}},
	})
	vpc.AddGatewayEndpoint(jsii.String("S3"), &awsec2.GatewayVpcEndpointOptions{Service: awsec2.GatewayVpcEndpointAwsService_S3()})
	for _, service := range []struct {
		id       string
		endpoint awsec2.InterfaceVpcEndpointAwsService
	}{
		{"Secrets", awsec2.InterfaceVpcEndpointAwsService_SECRETS_MANAGER()},
		{"Logs", awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_LOGS()},
	} {
		endpoint := vpc.AddInterfaceEndpoint(jsii.String(service.id), &awsec2.InterfaceVpcEndpointOptions{Service: service.endpoint})
		security.Accept(endpoint, security.Finding{Rule: "CdkNagValidationFailure", AppliesTo: []string{"AwsSolutions-EC23"},
			Reason: "The rule cannot read the network's own address range, which alone may reach the endpoint."})
	}
	security.Accept(vpc, security.Finding{Rule: "AwsSolutions-VPC7",
		Reason: "Nothing but DMS works in this network, and nothing gets out of it: there is no traffic to log."})
	return vpc
}

// generation is raised (cdk deploy -c generation=2) to load every table of the ERP anew.
func generation(app awscdk.App) int {
	given, ok := app.Node().TryGetContext(jsii.String("generation")).(string)
	if !ok {
		return 1
	}
	number, err := strconv.Atoi(given)
	if err != nil {
		return -1 // the declaration's own check names it
	}
	return number
}
