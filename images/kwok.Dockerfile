FROM scratch
COPY kwok /bin/kwok
ENV PATH=/bin
USER 10001:10001
ENTRYPOINT ["kwok"]
