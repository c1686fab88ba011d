// Preprocessed files of a driving video that a model takes: black, two frames long.
#pragma once

#include <filesystem>

#include <fmt/format.h>

#include "io/image.h"
#include "model/variant.h"
#include "temporary_folder.h"

namespace wan::test {

/// Of the model's usual size, in a folder that lives as long as the program.
inline const std::filesystem::path& driving_inputs(const Variant& variant) {
  static const TemporaryFolder folder;
  static const bool written = [&] {
    const auto film = [&](const char* name, int64_t width, int64_t height) {
      const Image black{static_cast<int>(width), static_cast<int>(height),
                        std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
      std::filesystem::create_directory(folder / name);
      for (int i = 0; i < 2; ++i) write_png(folder / name / fmt::format("frame_{:05}.png", i), black);
    };
    const int64_t side = variant.dit.animate.face_side();
    film("src_pose.mp4", variant.defaults.size.width, variant.defaults.size.height);
    film("src_face.mp4", side, side);
    write_png(folder / "src_ref.png", Image{1, 1, {0, 0, 0}});
    return true;
  }();
  static_cast<void>(written);
  return folder.path();
}

}  // namespace wan::test
