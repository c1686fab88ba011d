// Attention of many queries with a handful of keys, in groups of their own: what frames hear of their sound, or see of
// a face.
#pragma once

#include "backend/cuda/attention_shape.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

/// Whether the kernel takes groups of this shape: at most 8 keys; heads of 8, 16, 32, 64, 128 or 256; rows aligned to
/// 16 bytes.
bool few_keys_attention_accepts(const AttentionCall& group);

/// `group` is the first of `groups` calls of one shape, whose rows follow each other in q, k, v and out.
void few_keys_attention(Context& context, const AttentionCall& group, int64_t groups);

}  // namespace wan::cuda
