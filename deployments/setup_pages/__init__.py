"""The pages by which an administrator adds applications, hosts and targets: the first ones, and later ones too."""
