"""The Deployer beside other tools, on real OpenSSH servers: the same deploy, every host looked at after every run."""
