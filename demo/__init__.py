"""The story of `make run`: the compiled function behind the real Lambda Runtime
Interface Emulator, working on a small broken fleet in a test server."""
