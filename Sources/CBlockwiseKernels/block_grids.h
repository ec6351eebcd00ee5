// Grids of the IQ block types of GGUF, packed as `block_grids.c` says.
#ifndef BLOCKWISE_BLOCK_GRIDS_H
#define BLOCKWISE_BLOCK_GRIDS_H

#include <stdint.h>

extern const uint16_t bw_grid_iq2_xxs[256];
extern const uint16_t bw_grid_iq2_xs[512];
extern const uint16_t bw_grid_iq2_s[1024];
extern const uint16_t bw_grid_iq3_xxs[256];
extern const uint16_t bw_grid_iq3_s[512];
extern const uint16_t bw_grid_iq1[2048];

#endif
