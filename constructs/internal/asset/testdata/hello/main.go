// Command hello stands for a handler in the tests of package asset.
package main

func main() {}
