// A checkpoint's folder on its way to the disk: what goes into it is collected, then all is written at once beside the
// folder's name, which it takes when it is complete and the engine accepts it.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/output_file.h"
#include "io/gguf_writer.h"
#include "model/checkpoint.h"
#include "model/checkpoint_writer.h"
#include "model/written_tensor.h"

namespace wan {

class CheckpointFolder {
 public:
  /// `options` outlive this. Paths below are relative to the folder.
  CheckpointFolder(Sync sync, const WriteOptions& options) : sync_(sync), options_(options) {}

  void add_text(const std::filesystem::path& path, std::string text);
  /// A copy of a small file, and one of a large file, whose bytes `progress` is told.
  void add_small_copy(const std::filesystem::path& from, const std::filesystem::path& path);
  void add_copy(const std::filesystem::path& from, const std::filesystem::path& path);
  /// The files of a tokenizer, from its folder or one file of its own. Throws Error(kInput) when there is none.
  void add_tokenizer(const std::filesystem::path& from, const std::filesystem::path& folder);
  /// The same where it lies within the text encoder's file. Throws Error(kUsage) for GGUF's, which no file of the
  /// official layout holds.
  void add_tokenizer(const Checkpoint& checkpoint, const std::filesystem::path& folder);

  // What `source` reads from is there until `write` is over.
  void add_safetensors(const std::filesystem::path& path, const WeightSource& source,
                       std::vector<WrittenTensor> tensors);
  void add_pth(const std::filesystem::path& path, const WeightSource& source, std::vector<WrittenTensor> tensors);
  void add_gguf(const std::filesystem::path& path, const WeightSource& source, std::vector<WrittenTensor> tensors,
                std::vector<GgufWriter::Key> keys);
  enum class OneShard { kIsSharded, kIsPlain };
  /// STEM-0000K-of-0000N.safetensors of at most `shard_bytes` each, or of one tensor, and STEM.safetensors.index.json.
  /// With kIsPlain one that holds all is STEM.safetensors, without an index.
  void add_shards(const std::filesystem::path& folder, std::string_view stem, uint64_t shard_bytes, OneShard one,
                  const WeightSource& source, std::vector<WrittenTensor> tensors);

  /// Throws Error(kUsage) when `target` is there and not empty or the disk lacks space, Error(kRuntime) when writing
  /// fails, and what open_checkpoint throws of what was written.
  void write(const std::filesystem::path& target);

 private:
  using Failed = std::atomic<bool>;
  using Root = std::filesystem::path;
  template <typename Writer>
  void write_tensors(Writer& file, const WeightSource& source, std::span<const WrittenTensor> tensors,
                     const Failed& failed);
  void copy(const std::filesystem::path& from, const std::filesystem::path& to, const Failed& failed);
  void count(uint64_t bytes, const Failed& failed);

  Sync sync_;
  const WriteOptions& options_;
  std::vector<std::function<void(const Root&)>> small_;                 // files, made before the large ones
  std::vector<std::function<void(const Root&, const Failed&)>> large_;  // files, each by a thread of its own
  std::vector<std::filesystem::path> folders_;
  std::mutex mutex_;  // of what follows
  uint64_t done_ = 0, total_ = 0;
};

}  // namespace wan
