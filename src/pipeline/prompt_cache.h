// Encoded prompts kept for later requests, so that the text encoder is not read for a prompt it has encoded before.
// Bounded in entries and in bytes.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace wan {

/// All that an encoded prompt depends on.
struct PromptKey {
  std::string encoder;  // which weights, on which device, with which kernels
  DType compute = DType::kF32;
  std::vector<int32_t> ids;  // the tokens, exactly
  bool operator==(const PromptKey&) const = default;
};

class PromptCache {
 public:
  /// Keeps at most so many prompts, and at most so many bytes of them; 0 prompts: none.
  PromptCache(int64_t most_prompts, uint64_t most_bytes) : most_prompts_(most_prompts), most_bytes_(most_bytes) {}

  bool is_on() const { return most_prompts_ > 0; }
  /// A copy of what was kept, F32 rows [n, dim] on the host; empty when nothing was.
  Tensor find(const PromptKey& key);
  /// Keeps a copy of `rows`, contiguous F32 on the host; what was used longest ago makes room. Rows that alone exceed
  /// the bound are not kept.
  void keep(const PromptKey& key, TensorView rows);

  int64_t prompts() const { return static_cast<int64_t>(entries_.size()); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    PromptKey key;
    Tensor rows;
    uint64_t bytes() const { return rows->bytes() + key.ids.size() * sizeof(int32_t) + key.encoder.size(); }
  };
  std::list<Entry>::iterator entry_of(const PromptKey& key);
  void drop(std::list<Entry>::iterator entry);

  int64_t most_prompts_;
  uint64_t most_bytes_;
  uint64_t bytes_ = 0;
  std::list<Entry> entries_;  // what was used last comes first
};

}  // namespace wan
