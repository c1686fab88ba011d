// What clients send, and what is made of it: forms, JSON, pictures, ranges, keys.
#include "serve/order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/error.h"
#include "serve/api_error.h"
#include "serve/api_keys.h"
#include "serve/multipart.h"
#include "temporary_folder.h"

namespace wan::serve {
namespace {

using testing::HasSubstr;

const std::string kPng("\x89PNG\r\n\x1a\n picture", 16);

ServedModel some_model() {
  ServedModel model;
  model.name = "small";
  model.base.steps = 7;
  model.base.checkpoint = "/weights";
  model.fps = 24;
  model.image = TakesImage::kMay;
  return model;
}

HttpRequest json_request(const std::string& body) {
  HttpRequest request;
  request.head.method = "POST";
  request.head.headers["content-type"] = "application/json";
  request.body = body;
  return request;
}

HttpRequest form_request(const std::string& body, const std::string& boundary = "b") {
  HttpRequest request = json_request(body);
  request.head.headers["content-type"] = "multipart/form-data; boundary=" + boundary;
  return request;
}

std::string part(const std::string& name, const std::string& value, const std::string& more = "") {
  return fmt::format("--b\r\nContent-Disposition: form-data; name=\"{}\"{}\r\n\r\n{}\r\n", name, more, value);
}

Order read(const HttpRequest& request) { return read_order(request, some_model(), {}); }
Order read(const std::string& json) { return read(json_request(json)); }

ApiError refusal(const HttpRequest& request, const ServedModel& model = some_model()) {
  try {
    read_order(request, model, {});
  } catch (const ApiError& error) {
    return error;
  }
  ADD_FAILURE() << "was taken: " << request.body;
  return {0, "", ""};
}
ApiError refusal(const std::string& json) { return refusal(json_request(json)); }

TEST(Order, TheModelsOwnStandsWhereNothingIsSaid) {
  const Order order = read(R"({"prompt": "a red star"})");
  EXPECT_EQ(order.request.prompt, "a red star");
  EXPECT_EQ(order.request.steps, 7);
  EXPECT_EQ(order.request.checkpoint, "/weights");
  EXPECT_EQ(order.request.width, 0);
  EXPECT_EQ(order.given, R"({"prompt":"a red star"})") << "the drawn seed is none of the client's";
  EXPECT_LE(order.request.seed, uint64_t{UINT32_MAX});
}

TEST(Order, EveryFieldReachesTheRequest) {
  const Order order =
      read(R"({"prompt": "p", "negative_prompt": "n", "model": "small", "size": "128x96", "num_frames": 17,
    "num_inference_steps": 4, "guidance_scale": 3.5, "guidance_scale_2": 2, "flow_shift": 5, "boundary_ratio": 0.9,
    "seed": 18446744073709551615, "recipe": "official", "fps": 24})");
  EXPECT_EQ(order.request.negative_prompt, "n");
  EXPECT_EQ(order.request.width, 128);
  EXPECT_EQ(order.request.height, 96);
  EXPECT_EQ(order.request.num_frames, 17);
  EXPECT_EQ(order.request.steps, 4);
  EXPECT_EQ(order.request.guidance_scale, 3.5);
  EXPECT_EQ(order.request.guidance_scale_2, 2);
  EXPECT_EQ(order.request.shift, 5);
  EXPECT_EQ(order.request.boundary, 0.9);
  EXPECT_EQ(order.request.seed, UINT64_MAX);
  EXPECT_EQ(order.request.recipe, "official");
}

TEST(Order, SecondsBecomeWholeStrides) {
  EXPECT_EQ(read(R"({"prompt": "p", "seconds": "5"})").request.num_frames, 121);
  EXPECT_EQ(read(R"({"prompt": "p", "seconds": 0.5})").request.num_frames, 13);
  EXPECT_EQ(read(R"({"prompt": "p", "seconds": "4", "size": null})").request.num_frames, 97);
}

TEST(Order, AFormSaysTheSameAsJson) {
  const Order order = read(form_request(part("prompt", "a red star") + part("seed", "5") + part("size", "64x32") +
                                        part("input_reference", kPng, "; filename=\"x.png\"") + "--b--\r\n"));
  EXPECT_EQ(order.request.prompt, "a red star");
  EXPECT_EQ(order.request.seed, 5u);
  EXPECT_EQ(order.request.width, 64);
  EXPECT_EQ(order.first_image, kPng);
  const Order json = read(fmt::format(R"({{"prompt": "a red star", "seed": "5", "size": "64x32", "input_reference":
    "data:image/png;base64,{}"}})",
                                      to_base64(kPng)));
  EXPECT_EQ(json.first_image, kPng);
  EXPECT_EQ(json.given, order.given) << "so that one Idempotency-Key knows both";
  EXPECT_EQ(read(fmt::format(R"({{"prompt": "p", "input_reference": {{"image_url": "data:image/png;base64,{}"}}}})",
                             to_base64(kPng)))
                .first_image,
            kPng);
}

TEST(Order, NoPathAndNoUrlIsOpened) {
  for (const char* url :
       {"/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/x.png", "https://example.com/x.png"}) {
    const ApiError error = refusal(fmt::format(R"({{"prompt": "p", "input_reference": "{}"}})", url));
    EXPECT_EQ(error.status(), 400);
    EXPECT_EQ(error.field(), "input_reference");
    EXPECT_THAT(error.what(), HasSubstr("no path"));
  }
  for (const char* field : {"image", "checkpoint", "output", "lora", "initial_latent", "dump"}) {
    const ApiError error = refusal(fmt::format(R"({{"prompt": "p", "{}": "/etc/passwd"}})", field));
    EXPECT_EQ(error.code(), "unknown_field") << field;
    EXPECT_THAT(error.advice(), HasSubstr("num_frames"));
  }
}

struct Refused {
  const char* body;
  const char* field;
  int status = 400;
};

TEST(Order, WhatCannotBeIsRefusedByItsName) {
  const std::vector<Refused> all = {
      {R"({})", "prompt"},
      {R"({"prompt": ""})", "prompt"},
      {R"({"prompt": 5})", "prompt"},
      {R"({"prompt": "a\u0000b"})", "prompt"},
      {R"({"prompt": "p", "size": "12"})", "size"},
      {R"({"prompt": "p", "size": "x"})", "size"},
      {R"({"prompt": "p", "size": "5000x16"})", "size"},
      {R"({"prompt": "p", "size": "16x16", "width": 16, "height": 16})", "size"},
      {R"({"prompt": "p", "width": 16})", "width"},
      {R"({"prompt": "p", "num_frames": 0})", "num_frames"},
      {R"({"prompt": "p", "num_frames": 1000000})", "num_frames"},
      {R"({"prompt": "p", "num_frames": 5, "seconds": 1})", "seconds"},
      {R"({"prompt": "p", "seconds": "long"})", "seconds"},
      {R"({"prompt": "p", "fps": 16})", "fps"},
      {R"({"prompt": "p", "num_inference_steps": 1e9})", "num_inference_steps"},
      {R"({"prompt": "p", "num_inference_steps": 2.5})", "num_inference_steps"},
      {R"({"prompt": "p", "seed": -1})", "seed"},
      {R"({"prompt": "p", "guidance_scale": "nan"})", "guidance_scale"},
      {R"({"prompt": "p", "boundary_ratio": 2})", "boundary_ratio"},
      {R"({"prompt": "p", "recipe": "none"})", "recipe"},
      {R"({"prompt": "p", "model": "gpt"})", "model", 404},
      {R"({"prompt": "p", "input_reference": "data:image/png;base64,!!!!"})", "input_reference"},
      {R"({"prompt": "p", "input_reference": "data:image/png;base64,AAAA"})", "input_reference"},
      {R"({"prompt": "p", "last_frame": "data:image/png;base64,iVBORw0KGgo="})", "last_frame"}};
  for (const Refused& one : all) {
    const ApiError error = refusal(one.body);
    EXPECT_EQ(error.field(), one.field) << one.body << ": " << error.what();
    EXPECT_EQ(error.status(), one.status) << one.body;
  }
  EXPECT_EQ(refusal("[1]").status(), 400);
  EXPECT_EQ(refusal("{\"prompt\"").code(), "invalid_body");
  EXPECT_EQ(refusal(R"({"prompt": ")" + std::string(9000, 'x') + "\"}").field(), "prompt");
  EXPECT_EQ(refusal("{\"prompt\": \"\xff\"}").status(), 400);
  HttpRequest other = json_request("prompt=x");
  other.head.headers["content-type"] = "application/x-www-form-urlencoded";
  EXPECT_EQ(refusal(other).status(), 415);
}

TEST(Order, AModelSaysWhetherItTakesAPicture) {
  const HttpRequest with = form_request(part("prompt", "p") + part("input_reference", kPng, "; filename=x") + "--b--");
  ServedModel model = some_model();
  model.image = TakesImage::kNever;
  EXPECT_EQ(refusal(with, model).field(), "input_reference");
  model.image = TakesImage::kMust;
  EXPECT_EQ(refusal(json_request(R"({"prompt": "p"})"), model).field(), "input_reference");
  EXPECT_NO_THROW(read_order(with, model, {}));
}

TEST(Form, BrokenOnesAreRefusedAndNamed) {
  const std::string type = "multipart/form-data; boundary=b";
  for (const char* body :
       {"", "--", "--b", "--b\r\n", "--b\r\n\r\n", "--bx\r\n", "xx",
        "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "--b\r\nContent-Type: x\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx"})
    EXPECT_THROW(parse_form(type, body), Error) << body;
  EXPECT_THROW(parse_form("multipart/form-data", "--b--"), Error);
  EXPECT_THROW(parse_form("multipart/form-data; boundary=" + std::string(71, 'x'), "--"), Error);
  std::string many;
  for (int i = 0; i < 65; ++i) many += part("n", "v");
  EXPECT_THROW(parse_form(type, many + "--b--"), Error);
  const std::string long_header = part("n", "v", "; x=\"" + std::string(5000, 'x') + "\"");
  EXPECT_THROW(parse_form(type, long_header + "--b--"), Error);
}

TEST(Form, QuotesBlanksAndPreamblesAreUnderstood) {
  const auto parts = parse_form("multipart/form-data; charset=utf-8; boundary=\"b\"",
                                "preamble\r\n--b  \r\ncontent-disposition: form-data; filename=\"a\\\"b.png\"; "
                                "NAME=plain\r\nX: y\r\n\r\n\r\n--\r\n--b--");
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].name, "plain");
  EXPECT_EQ(parts[0].file_name, "a\"b.png");
  EXPECT_EQ(parts[0].body, "\r\n--") << "a body may hold what almost is a boundary";
}

TEST(Range, OneRangeIsAnsweredAndTheRestIgnored) {
  const auto of = [](const char* header) { return parse_range(header, 100); };
  EXPECT_EQ(of("bytes=0-9").kind, RangeKind::kPart);
  EXPECT_EQ(of("bytes=0-9").range.length, 10u);
  EXPECT_EQ(of("bytes=90-").range.first, 90u);
  EXPECT_EQ(of("bytes=90-").range.length, 10u);
  EXPECT_EQ(of("bytes=-5").range.first, 95u);
  EXPECT_EQ(of("bytes=-500").range.length, 100u);
  EXPECT_EQ(of("bytes=50-5000").range.length, 50u);
  for (const char* header : {"bytes=100-", "bytes=-0", "bytes=18446744073709551615-"})
    EXPECT_EQ(of(header).kind, RangeKind::kUnsatisfiable) << header;
  for (const char* header : {"", "bytes=", "bytes=-", "bytes=5-1", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4",
                             "bytes=--5", "bytes=99999999999999999999-"})
    EXPECT_EQ(of(header).kind, RangeKind::kWhole) << header;
  EXPECT_EQ(parse_range("bytes=0-", 0).kind, RangeKind::kUnsatisfiable);
}

TEST(Query, PairsAreDecoded) {
  const auto query = parse_query("after=a%2Fb&limit=5&x&=y&a+b=c+d&bad=%zz");
  EXPECT_EQ(query.at("after"), "a/b");
  EXPECT_EQ(query.at("limit"), "5");
  EXPECT_EQ(query.at("x"), "");
  EXPECT_EQ(query.at("a b"), "c d");
  EXPECT_EQ(query.at("bad"), "%zz");
}

class ApiKeysTest : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& text, mode_t mode = 0600) const {
    const auto path = folder_ / "keys";
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  const test::TemporaryFolder folder_;
};

TEST_F(ApiKeysTest, OnlyTheHoldersOfAKeyMay) {
  const ApiKeys keys(file("# ours\n\n0123456789abcdef\r\nfedcba9876543210\n"));
  EXPECT_TRUE(keys.are_needed());
  EXPECT_TRUE(keys.allow("Bearer 0123456789abcdef"));
  EXPECT_TRUE(keys.allow("Bearer fedcba9876543210"));
  for (const char* header : {"", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0", "0123456789abcdef",
                             "bearer 0123456789abcdef", "Bearer # ours"})
    EXPECT_FALSE(keys.allow(header)) << header;
  EXPECT_TRUE(ApiKeys("").allow("")) << "where none is needed";
}

TEST_F(ApiKeysTest, AFileThatProtectsNothingIsRefused) {
  EXPECT_THROW(ApiKeys{file("# none\n")}, Error);
  EXPECT_THROW(ApiKeys{file("short\n")}, Error);
  EXPECT_THROW(ApiKeys{file("0123456789abcdef\n", 0644)}, Error);
  EXPECT_THROW(ApiKeys{folder_ / "missing"}, Error);
}

}  // namespace
}  // namespace wan::serve
