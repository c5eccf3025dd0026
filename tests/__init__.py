"""The test suite; a package all the way down, so that no test folder shadows a real one."""
