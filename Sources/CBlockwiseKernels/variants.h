// The tables behind the run-time choice in dispatch.c.
#ifndef BLOCKWISE_VARIANTS_H
#define BLOCKWISE_VARIANTS_H

#include "CBlockwiseKernels.h"

#if defined(__x86_64__)
/// The AVX2 table, without asking whether the processor can run it.
const bw_kernels *bw_avx2_table(void);
#endif

#endif
