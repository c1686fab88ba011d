// Fuzzes the index of shards, beside two good shards, one.safetensors and two.safetensors.
#include <filesystem>
#include <fstream>
#include <string>

#include "input.h"
#include "io/tensor_file.h"
#include "temporary_folder.h"

namespace {

void write_shard(const std::filesystem::path& path, const std::string& name) {
  wan::SafetensorsWriter writer(path, {{name, wan::DType::kF32, {2}}});
  const float values[2] = {1, 2};
  writer.write(std::as_bytes(std::span(values)));
  writer.finish();
}

/// A folder of two shards, removed at exit.
struct Folder {
  wan::test::TemporaryFolder path;
  Folder() {
    write_shard(path / "one.safetensors", "a");
    write_shard(path / "two.safetensors", "b");
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  const auto index = folder.path / "index.json";
  std::ofstream(index, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  wan::fuzz::open_and_read(index);
  return 0;
}
