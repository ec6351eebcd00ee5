// What the cases of the harness share: random numbers, buffers that end at a page without access, and comparisons.
#ifndef BLOCKWISE_KERNEL_HARNESS_H
#define BLOCKWISE_KERNEL_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#include "CBlockwiseKernels.h"

// Inputs must be the same on every machine.
#pragma STDC FP_CONTRACT OFF

/// A variant under test.
typedef struct {
  const char *name;
  const bw_kernels *kernels;
} variant;

/// The variants this machine runs beside the scalar one.
extern variant variants[4];
extern int variant_count;

// MARK: - Random inputs

void seed_random(uint64_t seed);
uint64_t next_random(void);
/// lowest … highest, both included.
int between(int lowest, int highest);
/// 1 in `n` times true.
int one_in(int n);
/// −magnitude … magnitude.
float uniform(float magnitude);
/// What a row of numbers looks like.
typedef enum { PLAIN, WIDE, TIES, TINY, SPECIAL, DISTRIBUTIONS } distribution;
/// PLAIN and WIDE are ordinary numbers; TIES lie halfway between two results of rounding; TINY are subnormal or close to
/// it; SPECIAL has zeros of both signs, infinities and NaN among them.
void fill(float *x, ptrdiff_t count, distribution kind);
/// Any but SPECIAL.
distribution any_finite(void);
/// A half-precision (or bfloat16) number that is neither infinite nor NaN.
uint16_t finite_half(void);
uint16_t finite_bfloat(void);
void fill_bytes(void *bytes, size_t count);

// MARK: - Buffers

/// Memory that ends at a page without access, filled with 0xa5; `bytes` must be a whole number of elements.
void *guarded(size_t bytes);
/// Frees all of it.
void release_all(void);

// MARK: - Results

/// Says what is being compared, for the message about a difference.
void describe(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// How elements are compared: all bits, and for numbers any NaN equals any other.
typedef enum { BYTES, FLOATS, HALVES, BFLOATS } element;
/// Compares a variant's result with the scalar one; ends the program at the first difference.
void expect_same(const char *variant, element kind, const void *expected, const void *found, size_t bytes);
/// Adds a result to the digest of everything the scalar variant computed.
void digest(element kind, const void *bytes, size_t count);
uint64_t digest_so_far(void);
long comparison_count(void);

// MARK: - Cases

void compare_products(int rounds);
void compare_rows(int rounds);
void compare_attention(int rounds);
/// Plain C that is no kernel: decoding and encoding of block types. Only for the digest.
void digest_formats(int rounds);

#endif
