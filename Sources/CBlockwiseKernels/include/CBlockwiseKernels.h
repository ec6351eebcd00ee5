/// The numerical kernels of Blockwise: one table of function pointers per instruction set.
///
/// Contract of every kernel in the table:
/// - The result of a row depends on that row alone, never on its neighbours, on how the work was split, or on
///   the variant: all variants give the same bits for finite input (which NaN comes out is not specified).
/// - Nothing allocates, prints or keeps state; pointers need the alignment of their element only, unless said.
/// - Strides are counted in elements of the pointed-to type.
#ifndef CBLOCKWISE_KERNELS_H
#define CBLOCKWISE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Formats that the products compute with. Those of files have their ggml type numbers; I4, I4M and I5M are formats of
/// memory only. Their blocks of 32 hold the f32 scales of both halves, then
///   I4    16 bytes of nibbles as in Q4_0, the number of a table of 16 signed bytes (one for a matrix), and a zero
///   I4M   the f32 minima of both halves, and 16 bytes of nibbles
///   I5M   the same, and four bytes of fifth bits
enum {
  BW_F32 = 0, BW_F16 = 1, BW_Q4_0 = 2, BW_Q8_0 = 8, BW_Q4_K = 12, BW_Q5_K = 13, BW_Q6_K = 14, BW_BF16 = 30,
  BW_I4 = 0x10000,    // scale · table[q]
  BW_I4M = 0x10001,   // scale · q − minimum
  BW_I5M = 0x10002,   // scale · q − minimum
};

/// Block types of GGUF that become another format in memory, by their ggml type numbers.
enum {
  BW_Q4_1 = 3, BW_Q5_0 = 6, BW_Q5_1 = 7, BW_Q2_K = 10, BW_Q3_K = 11, BW_IQ2_XXS = 16, BW_IQ2_XS = 17, BW_IQ3_XXS = 18,
  BW_IQ1_S = 19, BW_IQ4_NL = 20, BW_IQ3_S = 21, BW_IQ2_S = 22, BW_IQ4_XS = 23, BW_IQ1_M = 29, BW_TQ1_0 = 34,
  BW_TQ2_0 = 35, BW_MXFP4 = 39, BW_NVFP4 = 40, BW_Q1_0 = 41, BW_Q2_0 = 42,
};

/// Geometry shared by packing, kernels and the cache.
enum {
  BW_TILE_ROWS = 16,      // output rows that share one tile of a packed matrix
  BW_GROUP = 32,          // inner elements that share one scale; all inner dimensions are padded to this
  BW_PAGE_SLOTS = 64,     // key/value rows of one cache page
  BW_LOGIT_TILE = 1024,   // vocabulary entries reduced together
  BW_PANEL_ROWS = 8,      // activation rows whose int8 forms are interleaved
};

/// A group of 32 activations of a row, rounded to int8, with everything that a product needs of it: one cache line, so that
/// what one thread writes and others read moves once.
typedef struct bw_panel_row {
  int8_t q[BW_GROUP];
  float scale;              // x is about scale · q
  float shift;              // scale · sum of q
  float half_shifts[2];     // the same of either half of the group
  int32_t offset;           // -8 · sum of q
  int32_t half_offsets[2];
  int32_t unused;
} bw_panel_row;

/// A group of eight neighbouring rows: in this order a block of rows is one stream. Row r of a pass is lane r % 8 of panel r / 8;
/// panels follow each other.
typedef struct bw_panel_group {
  bw_panel_row rows[BW_PANEL_ROWS];
} bw_panel_group;

/// One product Y[n, rows] = X[n, columns] · Wᵀ (+ bias).
typedef struct bw_matmul {
  const void *packed;       // tiles of BW_TILE_ROWS output rows, 32-byte aligned
  ptrdiff_t tile_bytes;
  int32_t format;
  int32_t use_int8;         // 1: quantised activations (not for F32, F16, BF16), 0: f32 activations
  ptrdiff_t rows;           // true output rows; the last tile may be partly padding
  ptrdiff_t groups;         // inner dimension / BW_GROUP, rounded up
  ptrdiff_t row_count;      // n
  const float *_Nullable x; // [n, groups * 32], padding is zero
  ptrdiff_t x_stride;
  const bw_panel_group *_Nullable panels;   // int8 form of x: [(n + 7) / 8, groups]
  float *y;                 // [n, rows]
  ptrdiff_t y_stride;
  const float *_Nullable bias;  // [rows]
} bw_matmul;

/// Consecutive visible cache slots.
typedef struct bw_run {
  int32_t start;
  int32_t count;
} bw_run;

/// Attention of rows of one sequence: their query heads that share one key/value head.
typedef struct bw_attention {
  const void *_Nonnull const *_Nonnull pages;   // base address of every page of the sequence; slot s lies in page s / 64
  ptrdiff_t key_offset;       // bytes from a page's base to this head's [64][row bytes] keys
  ptrdiff_t value_offset;
  ptrdiff_t row_bytes;        // bytes of one cached row
  int32_t format;             // BW_F32, BW_F16, BW_BF16 or BW_Q8_0
  int32_t head_dimension;
  float scale;
  float soft_cap;             // 0: none
  const bw_run *runs;         // row i sees runs[run_bounds[i]] to runs[run_bounds[i + 1]], that one excluded,
  const ptrdiff_t *run_bounds;  // in the order in which its keys are summed; [row_count + 1]
  ptrdiff_t row_count;
  ptrdiff_t query_count;      // heads of a row
  const float *queries;       // [row_count, query_count, head_dimension]
  ptrdiff_t query_row_stride;
  ptrdiff_t query_stride;
  float *output;              // [row_count, query_count, head_dimension]
  ptrdiff_t output_row_stride;
  ptrdiff_t output_stride;
  float *scratch;             // bw_attention_scratch floats
} bw_attention;

/// What one vocabulary tile contributes to the statistics of a logits row.
typedef struct bw_logit_tile {
  float top;                  // largest logit
  float second;               // largest of the others
  int32_t top_index;          // within the tile, lowest of equals; -1: none
  int32_t second_index;
  float sum;                  // sum of exp(x - top)
  float weighted;             // sum of exp(x - top) * (x - top)
  int32_t invalid;            // 1: a NaN or +infinity was met and nothing else is meaningful
} bw_logit_tile;

/// Statistics of one logits row.
typedef struct bw_logit_statistics {
  float top;
  float second;
  int32_t top_index;
  int32_t second_index;
  double log_sum_exp;
  double entropy;             // nats
  int32_t invalid;
} bw_logit_statistics;

typedef struct bw_kernels {
  /// Tiles [first_tile, end_tile) of a product, all rows.
  void (*matmul)(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile);
  /// Whether this variant has vector code for the products of a format, rather than leaving them to the reference. NULL:
  /// for none.
  int32_t (*_Nullable has_product)(int32_t format);
  /// int8 form of the groups [first_group, end_group) of the rows [first_row, end_row) of x: per group of 32
  /// scale = max|x| / 127 and q = round(x / scale). `groups` is the number of groups of a whole row.
  void (*quantize_rows)(
      const float *x, ptrdiff_t x_stride, ptrdiff_t first_row, ptrdiff_t end_row, ptrdiff_t first_group,
      ptrdiff_t end_group, ptrdiff_t groups, bw_panel_group *panels);
  /// y = x / sqrt(mean(x²) + epsilon) · weight; may be in place.
  void (*rms_norm)(
      const float *x, ptrdiff_t x_stride, const float *_Nullable weight, float epsilon, ptrdiff_t row_count,
      ptrdiff_t columns, float *y, ptrdiff_t y_stride);
  /// y = (x - mean) / sqrt(variance + epsilon) · weight + bias; may be in place.
  void (*layer_norm)(
      const float *x, ptrdiff_t x_stride, const float *_Nullable weight, const float *_Nullable bias, float epsilon,
      ptrdiff_t row_count, ptrdiff_t columns, float *y, ptrdiff_t y_stride);
  /// Rotates (x[i], x[i + pairs]) of every head by the angle of pair i.
  void (*rotate_halves)(
      float *x, ptrdiff_t head_stride, ptrdiff_t heads, ptrdiff_t pairs, const float *cosines, const float *sines);
  /// Rotates (x[2i], x[2i + 1]) of every head by the angle of pair i.
  void (*rotate_pairs)(
      float *x, ptrdiff_t head_stride, ptrdiff_t heads, ptrdiff_t pairs, const float *cosines, const float *sines);
  /// out = gate / (1 + exp(-gate)) · up.
  void (*silu_multiply)(const float *gate, const float *up, float *out, ptrdiff_t count);
  /// out = a + b.
  void (*add)(const float *a, const float *b, float *out, ptrdiff_t count);
  /// out = x · factor.
  void (*scale)(const float *x, float factor, float *out, ptrdiff_t count);
  /// out = cap · tanh(x / cap).
  void (*soft_cap)(const float *x, float cap, float *out, ptrdiff_t count);
  /// out = exp((x - shift) · factor).
  void (*exponentials)(const float *x, float shift, float factor, float *out, ptrdiff_t count);
  /// Rounds one row to a cache format (BW_F32, BW_F16, BW_BF16, BW_Q8_0).
  void (*encode_row)(int32_t format, const float *x, ptrdiff_t count, void *row);
  /// Widens one row of a cache format.
  void (*decode_row)(int32_t format, const void *row, ptrdiff_t count, float *out);
  /// Reduces at most BW_LOGIT_TILE logits.
  void (*reduce_logits)(const float *x, ptrdiff_t count, bw_logit_tile *result);
  /// Softmax attention of every row over the keys it sees, by itself.
  void (*attend)(const bw_attention *job);
} bw_kernels;

/// The reference variant, on every machine.
const bw_kernels *bw_scalar_kernels(void);
/// AVX2 + FMA + F16C, or NULL when this build or this processor lacks them.
const bw_kernels *_Nullable bw_avx2_kernels(void);
/// AVX-512 with VNNI for products, attention and work on rows, AVX2 for the little that is left, or NULL.
const bw_kernels *_Nullable bw_avx512_kernels(void);
/// NEON with the dot products of ARMv8.2, or NULL when this build is not for arm64 or this processor lacks them.
const bw_kernels *_Nullable bw_neon_kernels(void);

/// Bytes of one tile of a packed matrix: `groups` groups of 16 rows.
ptrdiff_t bw_tile_group_bytes(int32_t format);
/// Packs up to 16 rows of blocks; NULL rows become zeros. Returns the index of the first row with a NaN
/// or infinite number, or -1. The tile is written wholly in either case.
ptrdiff_t bw_pack_tile(int32_t format, ptrdiff_t columns, const void *_Nullable const *_Nonnull rows, void *tile);
/// f32 values of one row of a packed matrix.
void bw_decode_packed_row(
    int32_t format, const void *packed, ptrdiff_t tile_bytes, ptrdiff_t columns, ptrdiff_t row, float *out);
/// f32 values of `count` elements in blocks; whole blocks only.
void bw_decode(int32_t format, const void *source, ptrdiff_t count, float *out);

/// Elements and bytes of one block of a type that becomes another format in memory, of Q4_K, Q5_K or Q6_K; 0 for every other
/// type.
ptrdiff_t bw_block_elements(int32_t type);
ptrdiff_t bw_block_bytes(int32_t type);
/// f32 values of `count` elements of such a type; whole blocks only.
void bw_decode_blocks(int32_t type, const void *source, ptrdiff_t count, float *out);
/// 1 if all of `count` elements of such a type are finite numbers, else 0.
int32_t bw_blocks_are_finite(int32_t type, const void *source, ptrdiff_t count);
/// The format of such a type in memory, which has the same values bit for bit: Q8_0 or Q4_0 where blocks are one
/// half-precision scale times small integers, I4M or I5M where they have minima, else I4.
int32_t bw_resident_format(int32_t type);
/// `bw_pack_tile` from rows of such a type into a tile of that format; `columns` is a whole number of blocks.
ptrdiff_t bw_pack_blocks_tile(
    int32_t type, ptrdiff_t columns, const void *_Nullable const *_Nonnull rows, void *tile);
/// Packs one tile of a matrix of such a type, whose `row_count` rows lie `row_bytes` apart.
void bw_unpack_tile(
    int32_t type, ptrdiff_t columns, const void *rows, ptrdiff_t row_bytes, ptrdiff_t row_count, ptrdiff_t tile,
    void *out);

/// Rounds one row to the format of a file; whole blocks only. Returns 0, or 1 if a number of the row is NaN or
/// infinite (nothing is written then), or 2 if the row has numbers beyond the range of the format.
///
/// `type`: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K or IQ4_NL. `importance`: finite weights >= 0 of
/// the columns' squared errors, or NULL; without effect on F32, F16, BF16 and Q8_0.
int32_t bw_encode_row(
    int32_t type, const float *x, ptrdiff_t count, const float *_Nullable importance, void *out);

/// Floats of scratch for attention whose rows see at most `visible` keys each.
ptrdiff_t bw_attention_scratch(int32_t head_dimension, ptrdiff_t visible);

/// Statistics over a whole row: tiles of BW_LOGIT_TILE merged in tile order.
void bw_reduce_logits(const bw_kernels *kernels, const float *x, ptrdiff_t count, bw_logit_statistics *result);
/// The same from the reductions of all tiles of a row.
void bw_merge_logits(const bw_logit_tile *tiles, ptrdiff_t tile_count, bw_logit_statistics *result);
/// What a tile of `count` logits of minus infinity reduces to.
void bw_empty_logit_tile(ptrdiff_t count, bw_logit_tile *result);

/// Tells the processor that this thread waits in a loop.
static inline void bw_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

/// The sum of the 64-bit words of `bytes` bytes, a multiple of 64 times `streams`: read as 1, 2, 4 or 8 streams side by
/// side, each with a prefetch `ahead` bytes before it (0: none). For measuring bandwidth.
uint64_t bw_read_memory(const void *data, ptrdiff_t bytes, int32_t streams, ptrdiff_t ahead);
/// Runs `rounds` of independent multiply-adds of f32 or int8 on registers alone, with the instructions that the products
/// of a variant use, and returns the operations: the peak of one core, to be timed. 0 where there is no such loop.
/// `result` receives what keeps the work from being left out.
double bw_run_arithmetic(const bw_kernels *kernels, int32_t use_int8, ptrdiff_t rounds, float *result);

#pragma clang assume_nonnull end

#endif
