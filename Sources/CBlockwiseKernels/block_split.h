// Blocks of files between their bytes and their values.
#ifndef BLOCKWISE_BLOCK_SPLIT_H
#define BLOCKWISE_BLOCK_SPLIT_H

#include "block_layouts.h"

enum { BW_LONGEST_BLOCK = 256 };

/// Bytes of a block of 32 of the formats of memory.
enum { BW_I4_BLOCK = 26, BW_I4M_BLOCK = 32, BW_I5M_BLOCK = 36 };

/// What the codes of types stand for that become I4; in block_split.c.
enum { BW_TABLE_NONLINEAR, BW_TABLE_E2M1, BW_TABLE_Q3, BW_TABLE_IQ2, BW_TABLE_IQ3_XXS, BW_TABLE_IQ3_S, BW_TABLE_IQ1,
       BW_TABLE_COUNT };
extern const int8_t bw_tables[BW_TABLE_COUNT][16];

/// A block as codes under a scale and a minimum of every 16 elements: value = scale · code − minimum, for types that
/// become I4 scale · table[code]. The product is exact, so that a value rounds once.
typedef struct {
  uint8_t codes[BW_LONGEST_BLOCK];       // 0…15, of Q5_1 0…31
  float scales[BW_LONGEST_BLOCK / 16];
  float minima[BW_LONGEST_BLOCK / 16];   // only of types that become I4M or I5M
} bw_block_split;

/// The table of a type that becomes I4.
int bw_table_of(int32_t type);
/// Splits a block of a type that becomes I4, I4M or I5M.
void bw_split_block(int32_t type, const uint8_t *block, bw_block_split *split);
/// The f32 values of one block of any block type; in block_formats.c.
void bw_decode_block(int32_t type, const uint8_t *block, float *out);

#endif
