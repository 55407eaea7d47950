#!/bin/sh
# Starts Chromium for Playwright inside the jail: its own user, process, IPC and network namespaces.
# The network namespace is empty but for loopback; one forwarder joins 127.0.0.1:3128 in it to the egress proxy's
# UNIX socket outside, so a page has no other way out, whatever protocol it tries. Chromium's own sandbox stays on.
#
# Given by the worker in the environment:
#   WJ_JAIL        namespace | proxy-only (the kernel forbids namespaces: same browser, same proxy, no network namespace)
#   WJ_PROXY_SOCK  UNIX socket of the egress proxy (namespace)      WJ_PROXY_TCP  host:port of it (proxy-only)
#   WJ_CHROMIUM    the browser                                     WJ_PIDFILE    where to leave our process id
#   WJ_TMP         a short folder for its temporary files
#   WJ_UID         numeric id to drop to when started as root
set -eu
for a in "$@"; do case $a in --user-data-dir=*) profile=${a#*=};; esac; done
: "${profile:?the profile folder is missing in the arguments}"
echo $$ > "$WJ_PIDFILE"
# Of several --disable-features Chromium takes the last only: make one of the driver's and ours.
features=
count=$#
while [ "$count" -gt 0 ]; do
  argument=$1
  shift
  case $argument in
    --disable-features=*) features="${features:+$features,}${argument#*=}" ;;
    *) set -- "$@" "$argument" ;;
  esac
  count=$((count - 1))
done
set -- "$@" "--disable-features=$features"
export HOME="$profile" XDG_CONFIG_HOME="$profile" XDG_CACHE_HOME="$profile" TMPDIR="$WJ_TMP"
drop=
if [ "$(id -u)" = 0 ]; then
  # The driver made the profile folder as root; Chromium refuses root, so hand the folder over and drop.
  chown -R "$WJ_UID:$WJ_UID" "$profile"
  drop="setpriv --reuid=$WJ_UID --regid=$WJ_UID --clear-groups --"
fi
cd /
if [ "$WJ_JAIL" = proxy-only ]; then
  exec $drop "$WJ_CHROMIUM" "--proxy-server=http://$WJ_PROXY_TCP" "--proxy-bypass-list=<-loopback>" \
    --webrtc-ip-handling-policy=disable_non_proxied_udp "$@"
fi
# The inner shell is process 1 of the namespace: when the browser ends, it ends, and the kernel ends the rest with it.
# 3 and 4 are Playwright's pipe to the browser: the forwarder, started again when it dies, must not hold them open.
inner='ip link set lo up
while :; do
  socat TCP-LISTEN:3128,bind=127.0.0.1,fork,reuseaddr,backlog=256 "UNIX-CONNECT:$WJ_PROXY_SOCK"
  sleep 0.2
done 3>&- 4>&- &
unshare --user --map-user=1000 --map-group=1000 -- "$WJ_CHROMIUM" --proxy-server=http://127.0.0.1:3128 \
  "--proxy-bypass-list=<-loopback>" --webrtc-ip-handling-policy=disable_non_proxied_udp "$@"'
exec $drop unshare --user --map-root-user --net --ipc --pid --fork --kill-child --mount-proc -- sh -c "$inner" sh "$@"
