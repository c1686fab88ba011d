// Which of the DiT's matrix products run in 8 bits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wan {

/// By groups of products, of every block but the outermost. Never in 8 bits: patch, text and time embedding, the text's
/// keys and values and attention to them, modulation, norms, the residual stream and the head.
struct DitQuantization {
  bool qkv = false;          // self-attention's q, k and v
  bool o = false;            // self-attention's output
  bool cross = false;        // cross-attention's q and output
  bool ffn = false;          // both of the feed-forward
  bool scores = false;       // self-attention's products of queries and keys (AttentionForm::k8And16)
  bool attention = false;    // these, and those of probabilities and values (k8And8)
  int64_t whole_blocks = 0;  // so many first and so many last blocks stay as they are
  int64_t whole_steps = 0;   // so many first and so many last steps stay as they are

  bool attends() const { return scores || attention; }
  bool any() const { return qkv || o || cross || ffn || attends(); }
  bool takes_block(int64_t block, int64_t blocks) const {
    return any() && block >= whole_blocks && block < blocks - whole_blocks;
  }
  bool takes_step(int64_t step, int64_t steps) const {
    return any() && step >= whole_steps && step < steps - whole_steps;
  }
  bool operator==(const DitQuantization&) const = default;
};

/// All but attention, whose error a trained model shows more than that of products.
inline constexpr std::string_view kUsuallyQuantized = "qkv,o,cross,ffn";

/// Of words of qkv,o,cross,ffn,scores,attention, each once, with commas between; attention has scores in it. Throws
/// Error(kUsage) that `where` begins.
DitQuantization dit_quantization(std::string_view words, std::string_view where);
/// The words again, in that order.
std::string words_of(const DitQuantization& quantization);

}  // namespace wan
