#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures STOMP, start-up, idle memory and recovery of a release build on this machine, over loopback.
#
#   bash conformance/scripts/bench-stomp.sh [BENCH_FOLDER]
#
# BENCH_FOLDER holds the load generator `mqload` (Go) with its suite.sh and table.py; the default is ../shared/bench.
#
#   ARTEMIS_HOME      an unpacked Apache Artemis: measured in turns with Hind, in the same minutes; the ratio is printed
#   ROUNDS            how often each broker is measured (2)
#   RECOVERY_MESSAGES how many 1 KiB messages the recovered journal holds (1000000; 0 leaves it out)
#   COLD              1: recovery is measured without the page cache, too; drops the whole machine's
#   HIND              the program (target/release/hind)

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bench="$(cd "${1:-../shared/bench}" 2>/dev/null && pwd)" || { echo "skipped: no load generator at ${1:-../shared/bench}"; exit 0; }
: "${ROUNDS:=2}" "${RECOVERY_MESSAGES:=1000000}" "${ARTEMIS_HOME:=}" "${HIND:=target/release/hind}"
hind="$(realpath "$HIND")"
scratch="$(mktemp -d "${TMPDIR:-/tmp}/hind-bench.XXXXXX")"
results="$scratch/results"
declare -A pids=() offsets=()

finish() {
    local pid
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap finish EXIT

heading() { printf '\n=== %s\n' "$1"; }

# create NAME PROGRAM OFFSET: an instance whose ports are shifted.
create() {
    offsets[$1]=$3
    "$2" create "$scratch/$1" --silent --user a --password a --allow-anonymous --host 127.0.0.1 --port-offset "$3" >/dev/null
}

# start NAME: runs the instance and waits until it is active.
start() {
    local name=$1 log="$scratch/$1.log" waited=0
    : >"$log"
    "$scratch/$name/bin/artemis" run >>"$log" 2>&1 </dev/null &
    pids[$name]=$!
    until grep -q AMQ221007 "$log"; do
        kill -0 "${pids[$name]}" 2>/dev/null || { echo "$name ended while it started:"; tail -20 "$log"; exit 1; }
        ((++waited > 6000)) && { echo "$name was not active within 120 s"; tail -20 "$log"; exit 1; }
        sleep 0.02
    done
}

stop() {
    kill -TERM "${pids[$1]}" 2>/dev/null || true
    wait "${pids[$1]}" 2>/dev/null || true
    unset "pids[$1]"
}

stomp_port() { echo $((61613 + offsets[$1])); }

status_mib() { awk -v field="$2:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }

# measure NAME: the STOMP scenarios, one JSON line each.
measure() {
    # The suite's own status says whether its last scenario was wanted; a run that is not complete is left out of the table.
    (cd "$scratch/bench" && OUT="$results/$1.jsonl" timeout 200 ./suite.sh "$1" "${pids[$1]}" stomp \
        stomp="127.0.0.1:$(stomp_port "$1")" user=a pass=a only='^(warmup-stomp|a1-sync|a2-win200|c-np100)$') || true
}

# one_at_a_time NAME: receipts of a lone producer and the disk's raw fdatasync, in turns; the medians and their ratio.
one_at_a_time() {
    start "$1"
    for _ in 1 2 3 4 5 6 7 8 9; do
        "$hind" perf-journal --journal "$scratch" --writes 3000 --tries 1 --json
        target/release/one-at-a-time "$(stomp_port "$1")"
    done | python3 -c 'import json, statistics, sys
lines = [json.loads(line) for line in sys.stdin]
raw = [line["p50_ns"] / 1000 for line in lines if "p50_ns" in line]
sent = [line["p50_us"] for line in lines if "p50_us" in line]
ratios = sorted(s / r for s, r in zip(sent, raw))
print("p50 raw fdatasync of 4 KiB %.0f us (%.0f to %.0f), receipt %.0f us (%.0f to %.0f); ratio %.2f (%.2f to %.2f)" % (
    statistics.median(raw), min(raw), max(raw), statistics.median(sent), min(sent), max(sent),
    statistics.median(ratios), ratios[0], ratios[-1]))'
    stop "$1"
}

# ports NAME: the five acceptors' ports, comma separated.
ports() {
    local port list=""
    for port in 61616 5672 61613 1883 5445; do list+=",$((port + offsets[$1]))"; done
    echo "${list#,}"
}

# startup NAME: accept and first message, idle memory, three times. The broker's own start-up ends before the pool fills.
startup() {
    for _ in 1 2 3; do
        (cd "$scratch/bench" && ./mqload startup --label "$1" --proto stomp --addr "127.0.0.1:$(stomp_port "$1")" --ports "$(ports "$1")" \
            --user a --pass a --dest su --cmd "$scratch/$1/bin/artemis run >$scratch/startup.log 2>&1") |
            python3 -c 'import json, sys
d = json.loads(sys.stdin.read())
print("%-8s all five ports accept after %.0f ms, first message back after %.0f ms, idle %.1f MiB, %d threads %s" % (
    d["label"], d.get("accept_ms", 0), d.get("first_msg_ms", 0), d["broker_rss_mb"], d.get("threads", 0), d.get("error", "")))'
    done
}

# recovery NAME: fills the journal by STOMP, kills, and times the start, warm; then cold where the page cache may be dropped.
recovery() {
    local name=$1 began ended kind
    start "$name"
    echo "filling the journal with $RECOVERY_MESSAGES messages of 1 KiB"
    python3 conformance/scripts/fill.py "$(stomp_port "$name")" "$RECOVERY_MESSAGES"
    kill -KILL "${pids[$name]}"
    wait "${pids[$name]}" 2>/dev/null || true
    du -sh "$scratch/$name/data" | awk '{ print "data folder: " $1 }'
    for kind in warm warm cold; do
        if [[ $kind == cold ]]; then
            [[ ${COLD:-} == 1 ]] || { echo "cold: skipped, COLD=1 drops the page cache of this machine for it"; continue; }
            sync
            { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || { echo "cold: skipped, the page cache cannot be dropped here"; continue; }
        else
            cat "$scratch/$name"/data/*/* >/dev/null 2>&1 || true
        fi
        began=$(date +%s%N)
        start "$name"
        ended=$(date +%s%N)
        printf '%-8s recovered, %s: active after %d ms, peak %s MiB, resident %s MiB\n' "$name" "$kind" $(((ended - began) / 1000000)) \
            "$(status_mib "${pids[$name]}" VmHWM)" "$(status_mib "${pids[$name]}" VmRSS)"
        kill -KILL "${pids[$name]}"
        wait "${pids[$name]}" 2>/dev/null || true
    done
    unset "pids[$name]"
}

heading "machine"
nproc | sed 's/$/ cores/'
uptime
"$hind" version 2>/dev/null | head -3 || true

heading "load generator"
mkdir -p "$results"
cp -r "$bench" "$scratch/bench"
(cd "$scratch/bench" && go build -o mqload .)

heading "raw fdatasync of this disk"
"$hind" perf-journal --journal "$scratch" --block-size 1024 2>&1 | head -40 || true

brokers=(hind)
create hind "$hind" 1111
if [[ -n $ARTEMIS_HOME ]]; then
    brokers+=(artemis)
    create artemis "$ARTEMIS_HOME/bin/artemis" 2222
fi

for ((round = 1; round <= ROUNDS; round++)); do
    for broker in "${brokers[@]}"; do
        heading "STOMP, $broker, round $round of $ROUNDS"
        start "$broker"
        measure "$broker"
        # The second time in one process counts for a JVM: the compiler has seen the code.
        if [[ $broker == artemis ]]; then measure "$broker"; fi
        stop "$broker"
    done
done

heading "table"
python3 "$scratch/bench/table.py" "$results"/*.jsonl
python3 conformance/scripts/ratio.py "$results"

heading "raw fdatasync of this disk, again"
"$hind" perf-journal --journal "$scratch" --block-size 1024 2>&1 | head -40 || true

heading "one at a time, a producer alone"
cargo build --release --quiet -p hind-conformance --bin one-at-a-time
one_at_a_time hind

heading "start of an existing instance"
for broker in "${brokers[@]}"; do startup "$broker"; done

if ((RECOVERY_MESSAGES > 0)); then
    heading "recovery"
    create recovery "$hind" 3333
    recovery recovery
fi
