package catalog

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
)

// SourceDatabase is a PostgreSQL database whose tables the lake has copies of, as what compares them reads it.
type SourceDatabase struct {
	// Secret holds the connection as JSON: host, port, username and password.
	Secret awssecretsmanager.ISecret
	// SecretResource is the secret as policies name it.
	SecretResource string
	// Database is the name of the database within the server, Port the server's.
	Database string
	Port     int
	// SSL is how the connection is secured: require or none.
	SSL string
	// Vpc and Subnets are where the database is reached from.
	Vpc     awsec2.IVpc
	Subnets *awsec2.SubnetSelection
	// Schema is that of the tables, and Tables are their names by the ids of the datasets that are copies of them.
	Schema string
	Tables map[string]string
}

// Followed is a source whose datasets are copies of a database's tables: ingestion.Replication is one.
type Followed interface {
	// SourceDatabase is the database it follows.
	SourceDatabase() SourceDatabase
}
