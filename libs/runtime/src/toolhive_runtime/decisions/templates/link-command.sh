# Makes /app/server the package's command: the one with the package's name, or else its only one.
name="$1"
set -- /app/bin/*
if [ -x "/app/bin/$name" ]; then
  chosen="/app/bin/$name"
elif [ $# -eq 1 ] && [ -x "$1" ]; then
  chosen="$1"
else
  echo "toolhive: the package $name has no command called $name; it has: $*" >&2
  exit 1
fi
ln -s "$chosen" /app/server
