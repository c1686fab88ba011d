// PNG through libpng. Its errors come by longjmp, so every function that calls setjmp holds no object with a
// destructor.
#include <png.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "io/image_codecs.h"
#include "io/png_text.h"

namespace wan {
namespace {

constexpr size_t kSignatureBytes = 8;
constexpr uint64_t kMaxDeflateRatio = 1032;  // zlib's documentation: no stream expands further
constexpr png_alloc_size_t kMaxChunkBytes = 8 << 20;
constexpr int kCompressionLevel = 3;  // frames are large and soon deleted; higher levels cost seconds and save a tenth

struct Message {
  char text[200] = "unknown";
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto* message = static_cast<Message*>(png_get_error_ptr(png));
  std::snprintf(message->text, sizeof(message->text), "%s", text);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

struct Reader {
  explicit Reader(std::span<const std::byte> input) : rest(input) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &message, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    require(info != nullptr, "libpng cannot start", ErrorKind::kRuntime);
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Message message;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::span<const std::byte> rest;
};

void on_read(png_structp png, png_bytep to, size_t count) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader->rest.size()) png_error(png, "it ends too early: truncated?");
  std::memcpy(to, reader->rest.data(), count);
  reader->rest = reader->rest.subspan(count);
}

/// Reads up to the first IDAT and asks for 8-bit RGB. False on an error, told in reader.message.
bool read_header(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_set_read_fn(reader.png, &reader, on_read);
  png_set_user_limits(reader.png, kMaxImageSide, kMaxImageSide);
  png_set_chunk_malloc_max(reader.png, kMaxChunkBytes);
  png_read_info(reader.png, reader.info);
  return true;
}

bool set_transforms(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_set_strip_16(reader.png);
  png_set_expand(reader.png);
  png_set_strip_alpha(reader.png);
  png_set_gray_to_rgb(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  if (png_get_rowbytes(reader.png, reader.info) != size_t{3} * png_get_image_width(reader.png, reader.info))
    png_error(reader.png, "it cannot be converted to RGB");
  return true;
}

bool read_rows(Reader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

std::vector<png_bytep> row_pointers(Image& image) {
  std::vector<png_bytep> rows;
  for (int y = 0; y < image.height; ++y)
    rows.push_back(image.rgb.data() + static_cast<size_t>(y) * static_cast<size_t>(image.width) * 3);
  return rows;
}

struct Writer {
  Writer() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &message, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    require(info != nullptr, "libpng cannot start", ErrorKind::kRuntime);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Message message;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string bytes;
};

/// False when memory runs out: no exception may cross libpng.
bool append(std::string& bytes, png_bytep from, size_t count) noexcept {
  try {
    bytes.append(reinterpret_cast<const char*>(from), count);
    return true;
  } catch (...) {
    return false;
  }
}

void on_write(png_structp png, png_bytep from, size_t count) {
  if (!append(static_cast<Writer*>(png_get_io_ptr(png))->bytes, from, count)) png_error(png, "out of memory");
}

void on_flush(png_structp) {}

bool encode(Writer& writer, int width, int height, const uint8_t* rgb) {
  if (setjmp(png_jmpbuf(writer.png)) != 0) return false;
  png_set_write_fn(writer.png, &writer, on_write, on_flush);
  png_set_compression_level(writer.png, kCompressionLevel);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8,
               PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  for (int y = 0; y < height; ++y)
    png_write_row(writer.png, rgb + static_cast<size_t>(y) * static_cast<size_t>(width) * 3);
  png_write_end(writer.png, writer.info);
  return true;
}

}  // namespace

bool looks_like_png(std::span<const std::byte> bytes) {
  return bytes.size() >= kSignatureBytes &&
         png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, kSignatureBytes) == 0;
}

Image decode_png(std::span<const std::byte> bytes, const std::string& where) {
  Reader reader(bytes);
  const auto fail = [&] {
    throw Error(ErrorKind::kInput, fmt::format("{}: damaged PNG: {}", where, reader.message.text));
  };
  if (!read_header(reader)) fail();
  const uint64_t width = png_get_image_width(reader.png, reader.info);
  const uint64_t height = png_get_image_height(reader.png, reader.info);
  require(png_get_rowbytes(reader.png, reader.info) * height <= bytes.size() * kMaxDeflateRatio,
          fmt::format("{}: damaged PNG: {} bytes cannot hold its {} x {} pixels", where, bytes.size(), width, height));
  Image image = allocate_image(width, height, where);
  if (!set_transforms(reader)) fail();
  std::vector<png_bytep> rows = row_pointers(image);
  if (!read_rows(reader, rows.data())) fail();
  return image;
}

std::string png_text(int width, int height, std::span<const uint8_t> rgb) {
  require(width > 0 && height > 0 && rgb.size() == static_cast<size_t>(width) * static_cast<size_t>(height) * 3,
          fmt::format("{} bytes are no RGB image of {} x {}", rgb.size(), width, height), ErrorKind::kRuntime);
  Writer writer;
  if (!encode(writer, width, height, rgb.data()))
    throw Error(fmt::format("cannot make a PNG: {}", writer.message.text));
  return std::move(writer.bytes);
}

void write_png(const std::filesystem::path& path, int width, int height, std::span<const uint8_t> rgb) {
  std::string text;
  try {
    text = png_text(width, height, rgb);
  } catch (const Error& problem) {
    throw Error(fmt::format("{}: {}", path.string(), problem.what()));
  }
  write_atomically(path, text);
}

}  // namespace wan
