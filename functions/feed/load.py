"""The loader of files: a file of events in the bucket in, parents and a summary out."""

from wellspring.handlers.loading import file_loader

handler = file_loader()
