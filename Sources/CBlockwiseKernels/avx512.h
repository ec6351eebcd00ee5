// Shared pieces of the AVX-512 variant. A vector is one whole tile of 16 output rows.
#ifndef BLOCKWISE_AVX512_H
#define BLOCKWISE_AVX512_H

#if defined(__x86_64__)

#include <immintrin.h>

#include "numbers.h"
#include "variants.h"

#pragma STDC FP_CONTRACT OFF

#define BW_AVX512_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))
#define BW_AVX512 BW_AVX512_TARGET static
#define BW_AVX512_INLINE BW_AVX512_TARGET __attribute__((always_inline)) static inline
#define BW_UNROLL _Pragma("clang loop unroll(full)")
#define BW_ROLLED _Pragma("clang loop unroll(disable)")

#endif
#endif
