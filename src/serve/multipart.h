// A form with files: multipart/form-data as RFC 7578 has it, out of memory that the server has read already.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wan::serve {

/// One field of a form. `body` is of the text that was parsed.
struct FormPart {
  std::string name;
  std::string file_name;  // empty: a field of text
  std::string_view body;
};

inline constexpr size_t kMostFormParts = 64;
inline constexpr size_t kMostPartHeaderBytes = 4096;

/// `content_type`: the whole header, with its boundary. Throws Error(kInput) that says what is wrong with which part.
std::vector<FormPart> parse_form(std::string_view content_type, std::string_view body);

}  // namespace wan::serve
