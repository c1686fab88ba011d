// `generate --preview`: the rough look at each step, all in one picture, in a file and in terminals that show pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/image.h"
#include "pipeline/preview.h"

namespace wan::cli {

/// How this terminal shows pictures. kNone also where it does not say.
enum class TerminalPictures { kNone, kKitty, kSixel };

/// Of standard output, by what its environment says: nobody is asked who might not answer.
TerminalPictures terminal_pictures();

/// What shows a picture, a line feed behind it. `png`: the bytes of its file.
std::string kitty_text(std::string_view png);
std::string sixel_text(const Image& picture);

class PreviewStrip final : public PreviewConsumer {
 public:
  void preview(const Preview& preview) override;
  bool empty() const { return steps_.empty(); }
  /// The steps from left to right and row by row, in rows of at most 1000 pixels. Throws nothing where there is none:
  /// an empty picture.
  Image picture() const;

 private:
  std::vector<Preview> steps_;
};

/// Throws Error(kUsage) unless the name of `file` is that of a PNG. Whether it can be written require_outputs says.
void require_preview(const std::filesystem::path& file);

/// Writes the picture to `file`, and to standard output as `terminal` has it. Throws Error(kUsage, kRuntime) naming the
/// file.
void show_previews(const PreviewStrip& strip, const std::filesystem::path& file, TerminalPictures terminal);

}  // namespace wan::cli
