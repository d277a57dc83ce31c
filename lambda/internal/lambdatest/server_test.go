package lambdatest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

var (
	dynamo  *dynamodb.Client
	objects *s3.Client
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(serve(m))
}

// serve runs the tests with a moto server of their own.
func serve(m *testing.M) int {
	python := filepath.Join(root(), ".venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		fmt.Fprintf(os.Stderr, "these tests need moto from the project's virtual environment: %v; run make setup\n", err)
		return 1
	}
	address, err := freeAddress()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	host, port, _ := net.SplitHostPort(address)
	server := exec.Command(python, "-m", "moto.server", "-H", host, "-p", port)
	log, err := os.CreateTemp("", "moto-*.log")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.Remove(log.Name())
	server.Stdout, server.Stderr = log, log
	// A test run that is ended by its time limit runs nothing any more: the kernel ends the server with this thread.
	runtime.LockOSThread()
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "start moto:", err)
		return 1
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	if err := await("http://" + address + "/moto-api/"); err != nil {
		output, _ := os.ReadFile(log.Name())
		fmt.Fprintf(os.Stderr, "moto does not answer: %v\n%s\n", err, output)
		return 1
	}
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String("http://" + address),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		})}
	dynamo = dynamodb.NewFromConfig(cfg)
	objects = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	return m.Run()
}

func root() string {
	dir, _ := os.Getwd()
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func await(url string) error {
	var last error
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		answer, err := http.Get(url)
		if err == nil {
			return answer.Body.Close()
		}
		last = err
	}
	return last
}
