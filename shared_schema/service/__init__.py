"""What both programs are built from, and nothing about either: database, control socket, HTTP parts."""
