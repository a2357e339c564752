#!/bin/sh
# Bazel's workspace status: the name git has for the sources.
echo "STABLE_VERSION $(git describe --always --tags --dirty 2>/dev/null || echo unknown)"
