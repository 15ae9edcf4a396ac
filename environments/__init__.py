"""What there is: applications, environments, targets, hosts, SSH, permissions."""
