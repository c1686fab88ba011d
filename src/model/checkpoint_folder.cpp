#include "model/checkpoint_folder.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/folder_in_progress.h"
#include "base/threads.h"
#include "io/pth_writer.h"
#include "io/streamed_file.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kCopyBytes = uint64_t{16} << 20;
constexpr uint64_t kSpareBytes = uint64_t{64} << 20;  // headers, tokenizer

std::vector<SafetensorsWriter::Declared> declared(std::span<const WrittenTensor> tensors) {
  std::vector<SafetensorsWriter::Declared> out;
  for (const WrittenTensor& tensor : tensors) out.push_back({tensor.name, tensor.dtype, tensor.shape});
  return out;
}

std::vector<GgufWriter::Declared> declared_in_gguf(std::span<const WrittenTensor> tensors) {
  std::vector<GgufWriter::Declared> out;
  for (const WrittenTensor& tensor : tensors) out.push_back({tensor.name, tensor.dtype, tensor.block, tensor.shape});
  return out;
}

/// Consecutive tensors of at most `shard_bytes`, or one.
std::vector<std::vector<WrittenTensor>> split(std::vector<WrittenTensor> tensors, uint64_t shard_bytes) {
  std::vector<std::vector<WrittenTensor>> shards(1);
  uint64_t bytes = 0;
  for (WrittenTensor& tensor : tensors) {
    if (!shards.back().empty() && bytes + tensor.bytes() > shard_bytes) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += tensor.bytes();
    shards.back().push_back(std::move(tensor));
  }
  return shards;
}

}  // namespace

void CheckpointFolder::add_text(const fs::path& path, std::string text) {
  folders_.push_back(path.parent_path());
  small_.emplace_back([path, text = std::move(text)](const Root& root) { write_atomically(root / path, text); });
}

void CheckpointFolder::add_small_copy(const fs::path& from, const fs::path& path) {
  folders_.push_back(path.parent_path());
  small_.emplace_back([from, path](const Root& root) { fs::copy_file(from, root / path); });
}

void CheckpointFolder::add_copy(const fs::path& from, const fs::path& path) {
  folders_.push_back(path.parent_path());
  total_ += fs::file_size(from);
  large_.emplace_back([this, from, path](const Root& root, const Failed& failed) { copy(from, root / path, failed); });
}

void CheckpointFolder::add_tokenizer(const fs::path& from, const fs::path& folder) {
  if (fs::is_regular_file(from))
    return add_small_copy(from, folder / (from.extension() == ".json" ? "tokenizer.json" : "spiece.model"));
  require(fs::is_directory(from), fmt::format("there is no tokenizer folder {}", from.string()));
  for (const char* name : {"tokenizer.json", "spiece.model", "tokenizer_config.json", "special_tokens_map.json"})
    if (fs::exists(from / name)) add_small_copy(from / name, folder / name);
}

void CheckpointFolder::add_tokenizer(const Checkpoint& checkpoint, const fs::path& folder) {
  if (!checkpoint.files.tokenizer.empty()) return add_tokenizer(checkpoint.files.tokenizer, folder);
  const StoredTensor* model = checkpoint.text_encoder.facts().spiece_model;
  require(model != nullptr,
          fmt::format("{}: its tokenizer is in keys of GGUF, which the official layout has no file for: name "
                      "tokenizer.json or spiece.model with --tokenizer",
                      checkpoint.files.text_encoder.string()),
          ErrorKind::kUsage);
  const auto bytes = checkpoint.text_encoder.file().bytes_of(*model);
  add_text(folder / "spiece.model", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void CheckpointFolder::add_safetensors(const fs::path& path, const WeightSource& source,
                                       std::vector<WrittenTensor> tensors) {
  folders_.push_back(path.parent_path());
  total_ += total_bytes(tensors);
  large_.emplace_back([this, path, source, tensors = std::move(tensors)](const Root& root, const Failed& failed) {
    SafetensorsWriter file(root / path, declared(tensors), {{"format", "pt"}});
    write_tensors(file, source, tensors, failed);
  });
}

void CheckpointFolder::add_pth(const fs::path& path, const WeightSource& source, std::vector<WrittenTensor> tensors) {
  folders_.push_back(path.parent_path());
  total_ += total_bytes(tensors);
  large_.emplace_back([this, path, source, tensors = std::move(tensors)](const Root& root, const Failed& failed) {
    PthWriter file(root / path, declared(tensors));
    write_tensors(file, source, tensors, failed);
  });
}

void CheckpointFolder::add_gguf(const fs::path& path, const WeightSource& source, std::vector<WrittenTensor> tensors,
                                std::vector<GgufWriter::Key> keys) {
  folders_.push_back(path.parent_path());
  total_ += total_bytes(tensors);
  large_.emplace_back([this, path, source, tensors = std::move(tensors), keys = std::move(keys)](const Root& root,
                                                                                                 const Failed& failed) {
    GgufWriter file(root / path, declared_in_gguf(tensors), keys);
    write_tensors(file, source, tensors, failed);
  });
}

void CheckpointFolder::add_shards(const fs::path& folder, std::string_view stem, uint64_t shard_bytes, OneShard one,
                                  const WeightSource& source, std::vector<WrittenTensor> tensors) {
  const uint64_t bytes = total_bytes(tensors);
  std::vector<std::vector<WrittenTensor>> shards = split(std::move(tensors), shard_bytes);
  if (shards.size() == 1 && one == OneShard::kIsPlain)
    return add_safetensors(folder / fmt::format("{}.safetensors", stem), source, std::move(shards.front()));
  nlohmann::ordered_json places = nlohmann::ordered_json::object();
  const size_t count = shards.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("{}-{:05}-of-{:05}.safetensors", stem, i + 1, count);
    for (const WrittenTensor& tensor : shards[i]) places[tensor.name] = name;
    add_safetensors(folder / name, source, std::move(shards[i]));
  }
  const nlohmann::ordered_json index{{"metadata", {{"total_size", bytes}}}, {"weight_map", places}};
  add_text(folder / fmt::format("{}.safetensors.index.json", stem), index.dump(2) + "\n");
}

void CheckpointFolder::write(const fs::path& target) {
  FolderInProgress folder(target, total_ + kSpareBytes);
  const Root& root = folder.path();
  for (const fs::path& below : folders_) fs::create_directories(root / below);
  for (const auto& make : small_) make(root);
  // All large files at once: a single thread cannot fill the page cache as fast as the values are made.
  std::vector<std::function<void(const Failed&)>> tasks;
  for (const auto& make : large_) tasks.emplace_back([&make, &root](const Failed& failed) { make(root, failed); });
  run_together(tasks);
  open_checkpoint(root);  // what was written must be what the engine accepts
  folder.finish();
}

template <typename Writer>
void CheckpointFolder::write_tensors(Writer& file, const WeightSource& source, std::span<const WrittenTensor> tensors,
                                     const Failed& failed) {
  const std::vector<float> scales = measure_scales(source, tensors, [&] { count(0, failed); });
  const std::vector<WrittenPiece> pieces = pieces_of(tensors);
  const auto produce = [&](int64_t index, std::vector<std::byte>& out) {
    make_piece(pieces[static_cast<size_t>(index)], source, scales, out);
  };
  const auto consume = [&](int64_t, std::span<const std::byte> bytes) {
    file.write(bytes);
    count(bytes.size(), failed);
  };
  produce_in_order(static_cast<int64_t>(pieces.size()), kThreadsPerFile, produce, consume);
  file.finish(sync_);
}

void CheckpointFolder::copy(const fs::path& from, const fs::path& to, const Failed& failed) {
  const MappedFile source(from);
  StreamedFile file(to);
  for (uint64_t at = 0; at < source.bytes().size(); at += kCopyBytes) {
    const auto bytes = source.bytes().subspan(at, std::min<uint64_t>(kCopyBytes, source.bytes().size() - at));
    file.append(bytes);
    count(bytes.size(), failed);
  }
  file.finish(sync_);
}

/// The same count again, with 0 bytes, lets `progress` end the writing.
void CheckpointFolder::count(uint64_t bytes, const Failed& failed) {
  if (failed) throw Error(ErrorKind::kInterrupted, "another file of the checkpoint could not be written");
  const std::lock_guard lock(mutex_);
  done_ += bytes;
  if (options_.progress) options_.progress(done_, total_);
}

}  // namespace wan
