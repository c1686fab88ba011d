#include "cli/preview_strip.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/output_file.h"
#include "base/terminal.h"
#include "io/png_text.h"

namespace wan::cli {
namespace {

constexpr int64_t kMostWidth = 1000;
constexpr int kLevels = 6;  // of each colour in a sixel picture: 216 colours, of the 256 that terminals have
constexpr int kBand = 6;    // rows of a sixel

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int colour_of(const uint8_t* pixel) {
  const auto level = [](uint8_t value) { return (value * (kLevels - 1) + UINT8_MAX / 2) / UINT8_MAX; };
  return (level(pixel[0]) * kLevels + level(pixel[1])) * kLevels + level(pixel[2]);
}

/// `count` times the same six rows of a column.
void put_run(std::string& out, char sixel, int count) {
  if (count > 3)
    out += fmt::format("!{}{}", count, sixel);
  else
    out.append(static_cast<size_t>(count), sixel);
}

/// One colour of the rows from `y` on.
void put_colour(std::string& out, const Image& picture, int y, int colour) {
  out += fmt::format("#{}", colour);
  char last = '?';
  int run = 0;
  for (int x = 0; x < picture.width; ++x) {
    int bits = 0;
    for (int row = 0; row < kBand && y + row < picture.height; ++row)
      if (colour_of(&picture.rgb[(static_cast<size_t>(y + row) * static_cast<size_t>(picture.width) +
                                  static_cast<size_t>(x)) *
                                 3]) == colour)
        bits |= 1 << row;
    const char sixel = static_cast<char>('?' + bits);
    if (sixel == last) {
      ++run;
      continue;
    }
    put_run(out, last, run);
    last = sixel;
    run = 1;
  }
  put_run(out, last, run);
  out += '$';
}

}  // namespace

TerminalPictures terminal_pictures() {
  if (::isatty(STDOUT_FILENO) == 0) return TerminalPictures::kNone;
  const std::string_view terminal = variable("TERM");
  if (terminal == "xterm-kitty" || !variable("KITTY_WINDOW_ID").empty()) return TerminalPictures::kKitty;
  for (const std::string_view known : {"sixel", "foot", "mlterm"})
    if (terminal.find(known) != std::string_view::npos) return TerminalPictures::kSixel;
  return TerminalPictures::kNone;
}

std::string kitty_text(std::string_view png) {
  constexpr size_t kPiece = 4096;  // that the protocol takes at once
  const std::string text = to_base64(png);
  std::string out;
  for (size_t at = 0; at < text.size(); at += kPiece)
    out += fmt::format("\x1b_G{}m={};{}\x1b\\", at == 0 ? "a=T,f=100," : "", at + kPiece < text.size() ? 1 : 0,
                       text.substr(at, kPiece));
  return out + "\n";
}

std::string sixel_text(const Image& picture) {
  std::string out = fmt::format("\x1bPq\"1;1;{};{}", picture.width, picture.height);
  constexpr int kPercent = 100 / (kLevels - 1);
  for (int colour = 0; colour < kLevels * kLevels * kLevels; ++colour)
    out += fmt::format("#{};2;{};{};{}", colour, colour / kLevels / kLevels * kPercent,
                       colour / kLevels % kLevels * kPercent, colour % kLevels * kPercent);
  for (int y = 0; y < picture.height; y += kBand) {
    std::array<bool, kLevels * kLevels * kLevels> is_there{};
    const auto begin = static_cast<size_t>(y) * static_cast<size_t>(picture.width) * 3;
    const size_t end =
        std::min(picture.rgb.size(), begin + static_cast<size_t>(kBand) * static_cast<size_t>(picture.width) * 3);
    for (size_t at = begin; at < end; at += 3) is_there[static_cast<size_t>(colour_of(&picture.rgb[at]))] = true;
    for (size_t colour = 0; colour < is_there.size(); ++colour)
      if (is_there[colour]) put_colour(out, picture, y, static_cast<int>(colour));
    out += '-';
  }
  return out + "\x1b\\\n";
}

void PreviewStrip::preview(const Preview& preview) { steps_.push_back(preview); }

Image PreviewStrip::picture() const {
  Image out;
  if (steps_.empty()) return out;
  const int64_t width = steps_.front().width, height = steps_.front().height, count = std::ssize(steps_);
  const int64_t columns = std::min(count, std::max<int64_t>(1, kMostWidth / width)),
                rows = (count + columns - 1) / columns;
  out.width = static_cast<int>(columns * width);
  out.height = static_cast<int>(rows * height);
  out.rgb.assign(static_cast<size_t>(out.width) * static_cast<size_t>(out.height) * 3, UINT8_MAX);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t y = 0; y < height; ++y)
      std::copy_n(steps_[static_cast<size_t>(i)].rgb.begin() + y * width * 3, width * 3,
                  out.rgb.begin() + (((i / columns) * height + y) * columns + i % columns) * width * 3);
  return out;
}

void require_preview(const std::filesystem::path& file) {
  require(file.extension() == ".png", fmt::format("--preview '{}': expected a file that ends in .png", file.string()),
          ErrorKind::kUsage);
}

void show_previews(const PreviewStrip& strip, const std::filesystem::path& file, TerminalPictures terminal) {
  if (strip.empty())
    return log::warning(fmt::format("{}: no previews were made, since the device has no room for them", file.string()));
  const Image picture = strip.picture();
  const std::string png = png_text(picture.width, picture.height, picture.rgb);
  write_atomically(file, png);
  switch (terminal) {
    case TerminalPictures::kNone: break;
    case TerminalPictures::kKitty: print_raw(kitty_text(png)); break;
    case TerminalPictures::kSixel: print_raw(sixel_text(picture)); break;
  }
}

}  // namespace wan::cli
