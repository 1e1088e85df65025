#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Written by `create`: runs a command for this instance.

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
fi

ARTEMIS_INSTANCE_ETC=@{etc}

if [ -z "$ARTEMIS_PROFILE" ]; then
    case "$1" in
        # commands that read broker.xml as the broker reads it
        run | check | perf-journal) ARTEMIS_PROFILE='artemis.profile' ;;
        *) ARTEMIS_PROFILE='artemis-utility.profile' ;;
    esac
fi

if ! [ -f "$ARTEMIS_INSTANCE_ETC/$ARTEMIS_PROFILE" ]; then
    echo "Error: $ARTEMIS_INSTANCE_ETC/$ARTEMIS_PROFILE does not exist." >&2
    exit 1
fi

. "$ARTEMIS_INSTANCE_ETC/$ARTEMIS_PROFILE"

if [ -n "$HIND_HOME" ] && [ -x "$HIND_HOME/bin/hind" ]; then
    hind="$HIND_HOME/bin/hind"
elif [ -n "$HIND_HOME" ]; then
    hind="$HIND_HOME/hind"
else
    hind=@{program}
    # The program may have moved since; then the one on the path is as good.
    [ -x "$hind" ] || hind=hind
fi

export ARTEMIS_HOME ARTEMIS_INSTANCE ARTEMIS_INSTANCE_ETC ARTEMIS_DATA_DIR HAWTIO_ROLES
export JAVA_ARGS ARTEMIS_CLUSTER_PROPS DEBUG_ARGS JAVA_ARGS_APPEND

exec "$hind" "$@"
