#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Written by `create`: starts and stops this instance's broker in the background.

service=$(basename "$0")

if [ -z "$ARTEMIS_INSTANCE" ]; then
    # This script may have been reached by links.
    script="$0"
    while [ -h "$script" ]; do
        target=$(readlink "$script")
        case "$target" in
            /*) script="$target" ;;
            *) script="$(dirname "$script")/$target" ;;
        esac
    done
    ARTEMIS_INSTANCE=$(cd "$(dirname "$script")/.." && pwd)
    export ARTEMIS_INSTANCE
fi

PID_FILE="$ARTEMIS_INSTANCE/data/artemis.pid"
mkdir -p "$ARTEMIS_INSTANCE/data"

# 0 while the broker runs, 3 when it does not; sets pid.
status() {
    [ -f "$PID_FILE" ] || return 3
    pid=$(cat "$PID_FILE")
    if kill -0 "$pid" 2> /dev/null || ps -p "$pid" > /dev/null 2>&1; then
        return 0
    fi
    rm -f "$PID_FILE"
    return 3
}

stop() {
    status || return 0
    kill "$@" "$pid" 2> /dev/null
    for _ in 1 2 3 4 5; do
        status || return 0
        sleep 1
    done
    echo "Could not stop process $pid"
    return 1
}

start() {
    if status; then
        echo "Already running."
        return 1
    fi
    if [ -z "$ARTEMIS_USER" ] || [ "$(id -un)" = "$ARTEMIS_USER" ]; then
        nohup "$ARTEMIS_INSTANCE/bin/artemis" run > /dev/null 2> /dev/null &
    else
        sudo -n -u "$ARTEMIS_USER" nohup "$ARTEMIS_INSTANCE/bin/artemis" run > /dev/null 2> /dev/null &
    fi
    echo $! > "$PID_FILE"

    # A broker that cannot start has ended by now.
    sleep 1
    if ! status; then
        echo "Could not start $service"
        return 1
    fi
    echo "$service is now running ($pid)"
}

case "$1" in
    start)
        echo "Starting $service"
        start
        ;;
    stop)
        echo "Gracefully Stopping $service"
        stop
        ;;
    force-stop)
        echo "Forcibly Stopping $service"
        stop -9
        ;;
    restart)
        echo "Restarting $service"
        stop && start
        ;;
    status)
        if status; then
            echo "$service is running ($pid)"
        else
            echo "$service is stopped"
            exit 3
        fi
        ;;
    *)
        echo "Usage: $0 {start|stop|restart|force-stop|status}" >&2
        exit 2
        ;;
esac
