// Block types of files, which one piece of plain C decodes and encodes on every machine. Nothing is compared here: the
// digest shows whether two machines give the same bits.
#include <math.h>
#include <string.h>

#include "harness.h"

static void digest_decoding(int32_t type) {
  const ptrdiff_t elements = bw_block_elements(type), bytes = bw_block_bytes(type);
  const ptrdiff_t blocks = (ptrdiff_t)between(1, 6) * (256 / elements);
  describe("decoding of type %d", type);
  uint8_t *stored = guarded((size_t)(blocks * bytes));
  fill_bytes(stored, (size_t)(blocks * bytes));
  float *numbers = guarded((size_t)(blocks * elements) * 4);
  bw_decode_blocks(type, stored, blocks * elements, numbers);
  digest(FLOATS, numbers, (size_t)(blocks * elements) * 4);
  const int32_t finite = bw_blocks_are_finite(type, stored, blocks * elements);
  digest(BYTES, &finite, 4);

  const int32_t resident = bw_resident_format(type);
  const ptrdiff_t tile_bytes = blocks * elements / 32 * bw_tile_group_bytes(resident);
  uint8_t *tile = guarded((size_t)tile_bytes);
  bw_unpack_tile(type, blocks * elements, stored, blocks * bytes, 1, 0, tile);
  bw_decode_packed_row(resident, tile, tile_bytes, blocks * elements, 0, numbers);
  digest(FLOATS, numbers, (size_t)(blocks * elements) * 4);
  release_all();
}

static void digest_encoding(int32_t type) {
  const ptrdiff_t count = 256 * between(1, 3);
  describe("encoding as type %d", type);
  float *x = guarded((size_t)count * 4), *importance = guarded((size_t)count * 4);
  fill(x, count, one_in(2) ? PLAIN : any_finite());
  for (ptrdiff_t i = 0; i < count; i++) importance[i] = fabsf(uniform(1));
  // Never more than f32.
  uint8_t *out = guarded((size_t)count * 4);
  const int32_t status = bw_encode_row(type, x, count, one_in(2) ? importance : NULL, out);
  digest(BYTES, &status, 4);
  if (status == 0) digest(BYTES, out, (size_t)count * 4);
  release_all();
}

void digest_formats(int rounds) {
  static const int32_t encodings[] = {BW_F32,  BW_F16,  BW_BF16, BW_Q8_0, BW_Q4_0, BW_Q4_1,
                                      BW_Q5_0, BW_Q5_1, BW_Q4_K, BW_Q5_K, BW_Q6_K, BW_IQ4_NL};
  for (int round = 0; round < 4 * rounds; round++) {
    for (int32_t type = 0; type < 64; type++) {
      if (bw_block_elements(type) > 0) digest_decoding(type);
    }
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) digest_encoding(encodings[i]);
  }
}
