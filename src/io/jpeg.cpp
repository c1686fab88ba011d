// JPEG through libjpeg. Its errors come by longjmp, so every function that calls setjmp holds no object with a
// destructor.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <jpeglib.h>
// jpeglib.h must come first: the next one needs its types.
#include <jerror.h>

#include <fmt/format.h>

#include "base/error.h"
#include "io/image_codecs.h"

namespace wan {
namespace {

constexpr uint64_t kMaxPixelsPerByte = 512;  // a Huffman-coded 8x8 block takes one bit or more
constexpr int kMaxScans = 200;               // a progressive file has about ten; each costs a pass over the image

struct Reader {
  explicit Reader(std::span<const std::byte> bytes);
  ~Reader() { jpeg_destroy_decompress(&jpeg); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::span<const std::byte> input;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "unknown";
};

[[noreturn]] void on_error(j_common_ptr jpeg) {
  auto* reader = static_cast<Reader*>(jpeg->client_data);
  (*jpeg->err->format_message)(jpeg, reader->message);
  std::longjmp(reader->jump, 1);
}

/// libjpeg goes on with grey after these; Pillow refuses such files, and so do we.
void on_message(j_common_ptr jpeg, int level) {
  const int code = jpeg->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE)) on_error(jpeg);
}

void on_progress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMaxScans) return;
  auto* reader = static_cast<Reader*>(jpeg->client_data);
  std::snprintf(reader->message, sizeof(reader->message), "more than %d scans", kMaxScans);
  std::longjmp(reader->jump, 1);
}

Reader::Reader(std::span<const std::byte> bytes) : input(bytes) {
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  progress.progress_monitor = on_progress;
  jpeg.client_data = this;
}

/// Reads the header and asks for RGB. False on an error, told in reader.message.
bool read_header(Reader& reader) {
  if (setjmp(reader.jump) != 0) return false;
  jpeg_create_decompress(&reader.jpeg);
  reader.jpeg.progress = &reader.progress;
  jpeg_mem_src(&reader.jpeg, reinterpret_cast<const unsigned char*>(reader.input.data()), reader.input.size());
  jpeg_read_header(&reader.jpeg, TRUE);
  return true;
}

bool read_rows(Reader& reader, uint8_t* rgb) {
  if (setjmp(reader.jump) != 0) return false;
  reader.jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&reader.jpeg);
  while (reader.jpeg.output_scanline < reader.jpeg.output_height) {
    JSAMPROW row = rgb + static_cast<size_t>(reader.jpeg.output_scanline) * reader.jpeg.output_width * 3;
    jpeg_read_scanlines(&reader.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&reader.jpeg);
  return true;
}

struct Writer {
  Writer();
  ~Writer() {
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  unsigned char* bytes = nullptr;  // libjpeg's, by malloc
  unsigned long size = 0;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "unknown";
};

[[noreturn]] void on_write_error(j_common_ptr jpeg) {
  auto* writer = static_cast<Writer*>(jpeg->client_data);
  (*jpeg->err->format_message)(jpeg, writer->message);
  std::longjmp(writer->jump, 1);
}

Writer::Writer() {
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = on_write_error;
  jpeg.client_data = this;
}

bool write_rows(Writer& writer, const Image& image, int quality) {
  if (setjmp(writer.jump) != 0) return false;
  jpeg_create_compress(&writer.jpeg);
  jpeg_mem_dest(&writer.jpeg, &writer.bytes, &writer.size);
  writer.jpeg.image_width = static_cast<JDIMENSION>(image.width);
  writer.jpeg.image_height = static_cast<JDIMENSION>(image.height);
  writer.jpeg.input_components = 3;
  writer.jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&writer.jpeg);
  jpeg_set_quality(&writer.jpeg, quality, TRUE);
  jpeg_start_compress(&writer.jpeg, TRUE);
  while (writer.jpeg.next_scanline < writer.jpeg.image_height) {
    auto* row =
        const_cast<uint8_t*>(image.rgb.data()) + static_cast<size_t>(writer.jpeg.next_scanline) * image.width * 3;
    jpeg_write_scanlines(&writer.jpeg, &row, 1);
  }
  jpeg_finish_compress(&writer.jpeg);
  return true;
}

}  // namespace

std::string encode_jpeg(const Image& image, int quality) {
  Writer writer;
  if (!write_rows(writer, image, quality))
    throw Error(ErrorKind::kRuntime, fmt::format("libjpeg cannot write a picture: {}", writer.message));
  return {reinterpret_cast<const char*>(writer.bytes), writer.size};
}

bool looks_like_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} && bytes[2] == std::byte{0xff};
}

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& where) {
  Reader reader(bytes);
  const auto fail = [&] { throw Error(ErrorKind::kInput, fmt::format("{}: damaged JPEG: {}", where, reader.message)); };
  if (!read_header(reader)) fail();
  const uint64_t width = reader.jpeg.image_width;
  const uint64_t height = reader.jpeg.image_height;
  require(width * height <= bytes.size() * kMaxPixelsPerByte,
          fmt::format("{}: damaged JPEG: {} bytes cannot hold its {} x {} pixels", where, bytes.size(), width, height));
  const J_COLOR_SPACE colours = reader.jpeg.jpeg_color_space;
  require(colours == JCS_GRAYSCALE || colours == JCS_YCbCr || colours == JCS_RGB,
          where + ": a JPEG that is neither grey nor RGB (CMYK?): convert it to RGB");
  require(reader.jpeg.arith_code == FALSE,
          where + ": a JPEG with arithmetic coding: convert it to the usual Huffman coding");
  Image image = allocate_image(width, height, where);
  if (!read_rows(reader, image.rgb.data())) fail();
  return image;
}

}  // namespace wan
