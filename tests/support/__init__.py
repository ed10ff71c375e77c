"""What the tests of several folders share: databases, a builder of rows, fake Lambda events."""
