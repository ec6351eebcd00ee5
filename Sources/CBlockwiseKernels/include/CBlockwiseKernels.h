#ifndef CBLOCKWISE_KERNELS_H
#define CBLOCKWISE_KERNELS_H
int bw_placeholder(void);
#endif
