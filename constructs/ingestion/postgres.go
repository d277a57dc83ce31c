package ingestion

import (
	"fmt"
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Postgres is a PostgreSQL database that a Replication reads. It has to run with wal_level=logical, with a free
// replication slot, and its user has to own the replication privilege; see the user guide of AWS DMS.
type Postgres struct {
	// Secret holds the connection as JSON: host, port, username and password, as RDS writes it. Required.
	Secret awssecretsmanager.ISecret
	// Database is the name of the database within the server, 1 to 63 characters. Required.
	Database string
	// Port is the server's port, which the secret holds too, where nothing can read it at synthesis: 1 to 65535.
	// Default: 5432.
	Port int
	// SSL is how the connection is secured: SSLRequire or SSLNone.
	// Default: SSLRequire.
	SSL SSLMode
	// Vpc is the network from which the database is reached. DMS reaches S3, Secrets Manager and CloudWatch Logs from there
	// too, so it needs VPC endpoints for them or a NAT gateway. Required.
	Vpc awsec2.IVpc
	// Subnets are the subnets DMS works in, in two availability zones at least.
	// Default: the private subnets.
	Subnets *awsec2.SubnetSelection
	// SecurityGroups are the security groups of the replication. They have to let it reach the database's port, and port 443
	// for the services; the database's own groups have to let it in.
	// Default: a new group that may reach the database's port within the VPC and port 443 anywhere, and that nobody may
	// reach; the replication's SecurityGroup returns it, for the database's groups to let in.
	SecurityGroups []awsec2.ISecurityGroup
}

// SSLMode is how a connection to a database is secured.
type SSLMode string

const (
	// SSLRequire encrypts the connection and does not verify the server's certificate.
	SSLRequire SSLMode = "require"
	// SSLNone does not encrypt the connection.
	SSLNone SSLMode = "none"
)

const (
	postgresPort = 5432
	highestPort  = 65535
)

var databaseName = regexp.MustCompile(`^[^\x00-\x1f/\\"']{1,63}$`)

func (p Postgres) validate() error {
	var l check.List
	if p.Secret == nil {
		l.Add("Secret", "is missing", nil, "a secret with host, port, username and password")
	}
	if !check.Unresolved(p.Database) && !databaseName.MatchString(p.Database) {
		l.Add("Database", "is no database name", p.Database, "1 to 63 characters without slashes, quotes and control characters")
	}
	if p.Port < 0 || p.Port > highestPort {
		l.Add("Port", "is out of range", p.Port, fmt.Sprintf("1 to %d, or 0 for %d", highestPort, postgresPort))
	}
	if p.SSL != "" && p.SSL != SSLRequire && p.SSL != SSLNone {
		l.Add("SSL", "is no mode", string(p.SSL), "SSLRequire, SSLNone")
	}
	if p.Vpc == nil {
		l.Add("Vpc", "is missing", nil, "the network from which the database is reached")
	}
	for i, g := range p.SecurityGroups {
		if g == nil {
			l.Add(check.Index("SecurityGroups", i), "is nil", nil, "a security group")
		}
	}
	return l.Err()
}

func (p Postgres) port() int {
	if p.Port == 0 {
		return postgresPort
	}
	return p.Port
}

func (p Postgres) ssl() string {
	if p.SSL == "" {
		return string(SSLRequire)
	}
	return string(p.SSL)
}

// secretResource is the secret as policies name it. Secrets Manager ends an ARN in six characters of its own, which are
// unknown of a secret that is brought by its name.
func (p Postgres) secretResource() string {
	if full := p.Secret.SecretFullArn(); full != nil {
		return *full
	}
	return *p.Secret.SecretArn() + "-??????"
}

// Holding is the database as what compares its tables with the lake's reads it. Tables are names of tables in the schema
// by the ids of their datasets.
func (p Postgres) Holding(schema string, tables map[string]string) catalog.SourceDatabase {
	return catalog.SourceDatabase{
		Secret: p.Secret, SecretResource: p.secretResource(), Database: p.Database, Port: p.port(), SSL: p.ssl(),
		Vpc: p.Vpc, Subnets: p.Subnets, Schema: or(schema, defaultSchema), Tables: tables,
	}
}

// Validate reports every problem of the connection.
func (p Postgres) Validate() error { return p.validate() }

// ValidateTable reports a name that is none of a schema or table which can be read.
func ValidateTable(name string) error {
	var l check.List
	if !identifier.MatchString(name) {
		l.Add("", "is no name of a table", name, identifierAllowed)
	}
	return l.Err()
}
