// SentencePiece's precompiled character map (nmt_nfkc and its kin), applied the way Hugging Face's tokenizers applies
// it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

/// A double-array trie from UTF-8 sequences to replacements. The bytes are hostile: every node a lookup could reach is
/// checked on construction, so that lookups need no checks.
class Charsmap {
 public:
  /// `blob`: u32 trie size, the trie's 32-bit units, then NUL-terminated UTF-8 replacements. An empty blob maps
  /// nothing. Throws Error(kInput) saying what is wrong. Source: SentencePiece src/normalizer.cc,
  /// DecodePrecompiledCharsMap.
  explicit Charsmap(std::string_view blob);

  /// Replaces each grapheme cluster of fewer than six bytes by the replacement of its *shortest* mapped prefix,
  /// dropping the rest of the cluster; longer clusters code point by code point. SentencePiece takes the longest match
  /// at every position instead, which gives another text for a letter with two accents; the official pipelines run this
  /// form. `text` must be well-formed UTF-8. Source: tokenizers, normalizers/precompiled.rs; crate spm_precompiled,
  /// transform.
  std::string apply(std::string_view text) const;

 private:
  const char* replacement(std::string_view sequence) const;
  void check_trie() const;
  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace wan
