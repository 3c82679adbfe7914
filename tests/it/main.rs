//! Integration tests: one binary, because linking the EC2 SDK takes long.
