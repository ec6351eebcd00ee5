// Blocks of files between their bytes and their values.
#ifndef BLOCKWISE_BLOCK_SPLIT_H
#define BLOCKWISE_BLOCK_SPLIT_H

#include "block_layouts.h"

enum { BW_LONGEST_BLOCK = 256 };

/// A block as codes of one byte under a scale and a minimum of every 16 elements: value = scale · code − minimum, where
/// the product is exact, so that the value rounds once.
typedef struct {
  int8_t codes[BW_LONGEST_BLOCK];
  float scales[BW_LONGEST_BLOCK / 16];
  float minima[BW_LONGEST_BLOCK / 16];   // only of types that become I8M
} bw_block_split;

/// Splits a block of a type that becomes I8 or I8M; in block_split.c.
void bw_split_block(int32_t type, const uint8_t *block, bw_block_split *split);
/// The f32 values of one block of any block type; in block_formats.c.
void bw_decode_block(int32_t type, const uint8_t *block, float *out);

#endif
