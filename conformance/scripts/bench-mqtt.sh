#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures MQTT of a release build on this machine, over loopback, beside Mosquitto and Artemis in the same minutes.
#
#   bash conformance/scripts/bench-mqtt.sh [BENCH_FOLDER]
#
# BENCH_FOLDER holds the load generator `mqload` (Go) with its suite.sh and table.py; the default is ../shared/bench.
#
#   MOSQUITTO      the program of Eclipse Mosquitto (mosquitto, where it is on the path)
#   ARTEMIS_HOME   an unpacked Apache Artemis
#   ROUNDS         how often each broker is measured (2)
#   CONNECTIONS    idle connections (10000)
#   ONLY           only scenarios whose name matches this pattern (.)
#   HIND           the program (target/release/hind)
#
# The figure to trust is the ratio of broker CPU between two brokers measured in turns.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bench="$(cd "${1:-../shared/bench}" 2>/dev/null && pwd)" || { echo "skipped: no load generator at ${1:-../shared/bench}"; exit 0; }
: "${ROUNDS:=2}" "${CONNECTIONS:=10000}" "${ONLY:=.}" "${ARTEMIS_HOME:=}" "${HIND:=target/release/hind}"
mosquitto="${MOSQUITTO:-$(command -v mosquitto || true)}"
hind="$(realpath "$HIND")"
scratch="$(mktemp -d "${TMPDIR:-/tmp}/hind-bench.XXXXXX")"
results="$scratch/results"
pid=""

finish() {
    if [[ -n $pid ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap finish EXIT

heading() { printf '\n=== %s\n' "$1"; }

# port NAME: where that broker listens for MQTT.
port() {
    case $1 in
    hind) echo 2994 ;;
    artemis) echo 4105 ;;
    mosquitto) echo 5216 ;;
    esac
}

# create NAME: an instance, whose ports are shifted.
create() {
    case $1 in
    mosquitto)
        cat >"$scratch/mosquitto.conf" <<TXT
listener $(port mosquitto) 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location $scratch/
max_inflight_messages 0
max_queued_messages 1000000
TXT
        ;;
    hind) "$hind" create "$scratch/hind" --silent --user a --password a --allow-anonymous --host 127.0.0.1 --port-offset 1111 >/dev/null ;;
    artemis) "$ARTEMIS_HOME/bin/artemis" create "$scratch/artemis" --silent --user a --password a --allow-anonymous --host 127.0.0.1 --port-offset 2222 >/dev/null ;;
    esac
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start NAME: runs the broker and waits until it takes connections.
start() {
    local name=$1 log="$scratch/$1.log" waited=0
    : >"$log"
    if [[ $name == mosquitto ]]; then
        "$mosquitto" -c "$scratch/mosquitto.conf" >>"$log" 2>&1 </dev/null &
    else
        "$scratch/$name/bin/artemis" run >>"$log" 2>&1 </dev/null &
    fi
    pid=$!
    until listens "$(port "$name")" && { [[ $name == mosquitto ]] || grep -q AMQ221007 "$log"; }; do
        kill -0 "$pid" 2>/dev/null || { echo "$name ended while it started:"; tail -20 "$log"; exit 1; }
        ((++waited > 6000)) && { echo "$name was not active within 120 s"; tail -20 "$log"; exit 1; }
        sleep 0.02
    done
}

stop() {
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=""
}

# measure NAME: the MQTT scenarios, one JSON line each, then the idle connections.
measure() {
    local wanted='^(warmup-mqtt|a2-win200|c-qos0-100|d0-fan50-qos0|d1-fan50-qos1)$'
    # A run that is not complete is left out of the table.
    (cd "$scratch/bench" && OUT="$results/$1.jsonl" timeout 300 ./suite.sh "$1" "$pid" mqtt mqtt="127.0.0.1:$(port "$1")" user=a pass=a \
        only="$wanted" 2>&1) | grep -E "$ONLY" || true
    if [[ e-idle =~ $ONLY ]]; then
        (cd "$scratch/bench" && timeout 150 ./mqload idle --label "$1" --broker-pid "$pid" --scenario e-idle --proto mqtt \
            --addr "127.0.0.1:$(port "$1")" --user a --pass a --conns "$CONNECTIONS") | grep '^{' >>"$results/$1.jsonl" || true
    fi
}

heading "machine"
nproc | sed 's/$/ cores/'
uptime
ulimit -n "$(ulimit -Hn)"
((CONNECTIONS + 500 < $(ulimit -n))) || CONNECTIONS=$(($(ulimit -n) - 500))
"$hind" version 2>/dev/null | head -3 || true

heading "load generator"
mkdir -p "$results"
cp -r "$bench" "$scratch/bench"
(cd "$scratch/bench" && go build -o mqload .)

brokers=(hind)
if [[ -n $mosquitto ]]; then brokers+=(mosquitto); else echo "skipped: no Mosquitto (MOSQUITTO)"; fi
if [[ -n $ARTEMIS_HOME ]]; then brokers+=(artemis); else echo "skipped: no Artemis (ARTEMIS_HOME)"; fi
for broker in "${brokers[@]}"; do create "$broker"; done

for ((round = 1; round <= ROUNDS; round++)); do
    for broker in "${brokers[@]}"; do
        heading "MQTT, $broker, round $round of $ROUNDS"
        start "$broker"
        measure "$broker"
        # The second time in one process counts for a JVM: the compiler has seen the code.
        if [[ $broker == artemis ]]; then measure "$broker"; fi
        stop
    done
done

heading "table"
python3 "$scratch/bench/table.py" "$results"/*.jsonl
python3 conformance/scripts/ratio_mqtt.py "$results"
