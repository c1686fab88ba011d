// What a client is told when a request is refused: one shape, for programs and for people.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace wan::serve {

/// Ends a request with this answer.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, std::string code, const std::string& message, std::string advice = {}, std::string field = {})
      : std::runtime_error(message),
        status_(status),
        code_(std::move(code)),
        advice_(std::move(advice)),
        field_(std::move(field)) {}

  int status() const { return status_; }
  const std::string& code() const { return code_; }
  const std::string& advice() const { return advice_; }  // empty: none
  const std::string& field() const { return field_; }    // of the request; empty: none of them

 private:
  int status_;
  std::string code_, advice_, field_;
};

}  // namespace wan::serve
