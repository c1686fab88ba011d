#include "serve/multipart.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"

namespace wan::serve {
namespace {

constexpr size_t kMostBoundaryBytes = 70;  // RFC 2046, section 5.1.1

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// The value of a parameter in `form-data; name="a"; filename="b.png"`, its quotes taken off.
std::optional<std::string> parameter(std::string_view header, std::string_view wanted) {
  size_t at = header.find(';');
  while (at < header.size()) {
    std::string_view rest = header.substr(at + 1);
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string name = lower(trimmed(rest.substr(0, equals)));
    std::string value;
    size_t end = equals + 1;
    if (end < rest.size() && rest[end] == '"') {
      for (++end; end < rest.size() && rest[end] != '"'; ++end) {
        if (rest[end] == '\\' && end + 1 < rest.size()) ++end;
        value += rest[end];
      }
      end = rest.find(';', std::min(end + 1, rest.size()));
    } else {
      end = rest.find(';', end);
      value = trimmed(rest.substr(equals + 1, std::min(end, rest.size()) - equals - 1));
    }
    if (name == wanted) return value;
    at = end == std::string_view::npos ? std::string_view::npos : at + 1 + end;
  }
  return std::nullopt;
}

std::string boundary_of(std::string_view content_type) {
  const std::optional<std::string> boundary = parameter(content_type, "boundary");
  require(boundary && !boundary->empty() && boundary->size() <= kMostBoundaryBytes,
          fmt::format("Content-Type: multipart/form-data needs a boundary of 1 to {} characters", kMostBoundaryBytes));
  return *boundary;
}

/// Of one part: its headers, then an empty line, then its body.
FormPart part_of(std::string_view text, size_t number) {
  const auto fail = [&](std::string_view what) {
    throw Error(ErrorKind::kInput, fmt::format("part {} of the form: {}", number, what));
  };
  const size_t end = text.substr(0, kMostPartHeaderBytes).find("\r\n\r\n");
  if (end == std::string_view::npos)
    fail(fmt::format("expected headers of at most {} bytes and an empty line behind them", kMostPartHeaderBytes));
  FormPart part;
  part.body = text.substr(end + 4);
  bool is_named = false;
  for (std::string_view headers = text.substr(0, end); !headers.empty();) {
    const size_t line_end = std::min(headers.find("\r\n"), headers.size());
    const std::string_view line = headers.substr(0, line_end);
    headers.remove_prefix(std::min(line_end + 2, headers.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || lower(trimmed(line.substr(0, colon))) != "content-disposition") continue;
    const std::optional<std::string> name = parameter(line.substr(colon + 1), "name");
    if (!name || name->empty()) fail("its Content-Disposition has no name");
    part.name = *name;
    part.file_name = parameter(line.substr(colon + 1), "filename").value_or("");
    is_named = true;
  }
  if (!is_named) fail("it has no Content-Disposition");
  return part;
}

}  // namespace

std::vector<FormPart> parse_form(std::string_view content_type, std::string_view body) {
  const std::string line = "--" + boundary_of(content_type);
  const std::string between = "\r\n" + line;
  std::vector<FormPart> parts;
  size_t at = body.starts_with(line) ? line.size() : body.find(between);
  require(at != std::string_view::npos, "the form does not begin with the boundary of its Content-Type");
  if (!body.starts_with(line)) at += between.size();
  for (;;) {
    std::string_view rest = body.substr(at);
    if (rest.starts_with("--")) return parts;
    const size_t blanks = std::min(rest.find_first_not_of(" \t"), rest.size());
    require(rest.substr(blanks).starts_with("\r\n"), "a boundary of the form is not followed by a line's end");
    const size_t begin = at + blanks + 2;
    const size_t end = body.find(between, begin);
    require(end != std::string_view::npos, "the form has no closing boundary: was it cut off?");
    require(parts.size() < kMostFormParts, fmt::format("the form has more than {} parts", kMostFormParts));
    parts.push_back(part_of(body.substr(begin, end - begin), parts.size() + 1));
    at = end + between.size();
  }
}

}  // namespace wan::serve
