#!/usr/bin/env bash
# A SLURM of two nodes on this machine, for the tests: Debian's slurm-wlm and munge, no systemd, as root or with sudo.
#
#   cluster.sh up       install, configure, start; returns when both nodes are idle
#   cluster.sh purge    cancel, stop, remove the configuration and all state; the packages stay
#
# Both slurmd run on this host, told apart by name and port. They advertise more cores and memory than there are
# (config_overrides), so that nothing has to wait for what is not there. Each has a GPU: a character device that is a
# second /dev/null, because SLURM wants a file for it. There is no accounting.
# Purge it when done: with a slurm.conf and no controller, every start of Snakemake waits for ten seconds.
set -euo pipefail

STATE=/var/tmp/trifold-slurm
CONF=/etc/slurm
MARK="# Written by tests/slurm/cluster.sh."
NODES=(trifold1 trifold2)
SUDO=()
[ "$(id -u)" -eq 0 ] || SUDO=(sudo)

wait_for() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "cluster.sh: gave up waiting for: $*" >&2; return 1; }
        sleep 0.2
    done
}

install_packages() {
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null && return
    "${SUDO[@]}" apt-get update -qq
    "${SUDO[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge \
        >/dev/null
}

configure() {
    if [ -e "$CONF/slurm.conf" ] && ! grep -qF "$MARK" "$CONF/slurm.conf"; then
        echo "cluster.sh: $CONF/slurm.conf belongs to another cluster" >&2
        exit 1
    fi
    "${SUDO[@]}" mkdir -p "$CONF" "$STATE"/{ctld,log,run,trifold1,trifold2}
    local node
    for node in "${NODES[@]}"; do
        [ -c "$STATE/gpu-$node" ] || "${SUDO[@]}" mknod -m 666 "$STATE/gpu-$node" c 1 3
    done
    "${SUDO[@]}" chown -R slurm: "$STATE"
    "${SUDO[@]}" tee "$CONF/slurm.conf" >/dev/null <<EOF
$MARK
ClusterName=trifold
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
# A job that was put back waits as long as a credential lives, 120 s if not told.
AuthInfo=cred_expire=15
SlurmctldPort=16817
SlurmctldPidFile=$STATE/run/slurmctld.pid
SlurmdPidFile=$STATE/run/%n.pid
SlurmctldLogFile=$STATE/log/slurmctld.log
SlurmdLogFile=$STATE/log/%n.log
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$STATE/%n
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
EnforcePartLimits=ALL
MinJobAge=300
KillWait=5
JobRequeue=0
AccountingStorageType=accounting_storage/none
# Without cgroups: what a job uses is looked at every second, and too much of it is killed.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
NodeName=${NODES[0]} NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=16821 CPUs=8 RealMemory=128000 Gres=gpu:1
NodeName=${NODES[1]} NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=16822 CPUs=8 RealMemory=128000 Gres=gpu:1
PartitionName=all Nodes=ALL Default=YES MaxTime=7-00:00:00 State=UP
EOF
    for node in "${NODES[@]}"; do
        echo "NodeName=$node Name=gpu File=$STATE/gpu-$node"
    done | "${SUDO[@]}" tee "$CONF/gres.conf" >/dev/null
}

start_munge() {
    munge -n </dev/null 2>/dev/null | unmunge >/dev/null 2>&1 && return
    [ -s /etc/munge/munge.key ] || "${SUDO[@]}" mungekey --create
    "${SUDO[@]}" mkdir -p /run/munge
    "${SUDO[@]}" chown -R munge: /etc/munge /run/munge /var/log/munge /var/lib/munge
    "${SUDO[@]}" chmod 755 /run/munge
    "${SUDO[@]}" setpriv --reuid munge --regid munge --clear-groups munged --force
    "${SUDO[@]}" touch "$STATE/munged-is-ours"
    wait_for 10 sh -c 'munge -n </dev/null | unmunge'
}

idle() { [ "$(sinfo -h -N -o %t | grep -c '^idle$')" -eq "${#NODES[@]}" ]; }

up() {
    install_packages
    configure
    start_munge
    scontrol ping 2>/dev/null | grep -q 'is UP' || "${SUDO[@]}" slurmctld
    wait_for 20 sh -c "scontrol ping | grep -q 'is UP'"
    local node
    for node in "${NODES[@]}"; do
        running "$STATE/run/$node.pid" || "${SUDO[@]}" slurmd -N "$node"
    done
    wait_for 30 idle
}

running() { [ -s "$1" ] && "${SUDO[@]}" kill -0 "$(cat "$1")" 2>/dev/null; }

stop() { # PIDFILE
    running "$1" || return 0
    local pid
    pid=$(cat "$1")
    "${SUDO[@]}" kill "$pid"
    wait_for 10 test ! -d "/proc/$pid" || "${SUDO[@]}" kill -9 "$pid"
}

purge() {
    if [ -e "$CONF/slurm.conf" ] && ! grep -qF "$MARK" "$CONF/slurm.conf"; then
        return # another cluster's
    fi
    if scontrol ping 2>/dev/null | grep -q 'is UP'; then
        "${SUDO[@]}" scancel --partition all
        wait_for 15 sh -c '[ -z "$(squeue -h)" ]' || true
    fi
    local node
    for node in "${NODES[@]}"; do
        stop "$STATE/run/$node.pid"
    done
    stop "$STATE/run/slurmctld.pid"
    [ ! -e "$STATE/munged-is-ours" ] || stop /run/munge/munged.pid
    "${SUDO[@]}" rm -rf "$CONF/slurm.conf" "$CONF/gres.conf" "$STATE"
}

case "${1:-}" in
up) up ;;
purge) purge ;;
*)
    sed -n '2,11p' "$0"
    exit 2
    ;;
esac
