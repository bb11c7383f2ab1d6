# Runs inside the node image in the making: what the RUN lines of kind's own base image do, for Debian's containerd.
set -eu

# kind's unit and scripts look for containerd in /usr/local/bin and for the network plugins in /opt/cni/bin
for program in containerd ctr containerd-shim-runc-v2; do ln -sf "/usr/bin/$program" "/usr/local/bin/$program"; done
mkdir -p /opt/cni /etc/kubernetes/manifests
ln -sfn /usr/lib/cni /opt/cni/bin
rm -f /usr/lib/systemd/system/containerd.service

# nothing is started at boot but what is enabled here
wanted=/usr/lib/systemd/system
rm -f $wanted/sysinit.target.wants/systemd-tmpfiles-setup.service $wanted/multi-user.target.wants/* \
    $wanted/local-fs.target.wants/* $wanted/basic.target.wants/* $wanted/sockets.target.wants/*udev* \
    $wanted/sockets.target.wants/*initctl* /etc/systemd/system/*.wants/*
echo ReadKMsg=no >> /etc/systemd/journald.conf
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
systemctl mask systemd-binfmt.service

ctr oci spec |
    jq '.hooks.createContainer[.hooks.createContainer|length] |= . + {"path": "/kind/bin/mount-product-files.sh"}' |
    jq 'del(.process.rlimits)' > /etc/containerd/cri-base.json
