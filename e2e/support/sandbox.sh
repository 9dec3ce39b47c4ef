#!/bin/sh
# Runs a command as a container of the image would: as nobody, without a capability, in a root that is read-only and
# has nothing of this machine but its system and one folder as /app. Needs root and Linux. Nothing is left behind:
# all of it is mounted in a namespace of its own. The process that was started becomes the command.
#
#   unshare --mount sandbox.sh APP EMPTY COMMAND...      `node` in COMMAND is $SANDBOX_NODE
set -eu
app=$1 root=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o size=1m,mode=755 none "$root"
for folder in usr etc dev proc; do
  mkdir "$root/$folder"
  mount --rbind "/$folder" "$root/$folder"
done
for folder in bin sbin lib lib64; do
  if [ -L "/$folder" ]; then cp -P "/$folder" "$root/$folder"; fi
done
mkdir "$root/app" "$root/tmp"
mount --bind "$app" "$root/app"
touch "$root/node"
mount --bind "$SANDBOX_NODE" "$root/node"
for place in app usr etc; do mount -o remount,bind,ro "$root/$place"; done
mount -o remount,ro "$root"
# The shell's own path, since the new root's may lack it.
cd "$root"
exec chroot "$root" setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all \
  --bounding-set=-all /node "$@"
