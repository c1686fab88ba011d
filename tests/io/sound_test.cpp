// Sound that is read: values, channels and rates; what is damaged or hostile is refused.
#include "io/sound.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <numbers>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "io/video_writer.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void put(std::string& out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

/// A WAV file of 16-bit samples, whose header says `said_bytes` of them.
std::string wav(int channels, uint32_t rate, const std::vector<int16_t>& samples, uint32_t said_bytes) {
  std::string out = "RIFF";
  put(out, 36 + said_bytes, 4);
  out += "WAVEfmt ";
  put(out, 16, 4);
  put(out, 1, 2);
  put(out, static_cast<uint32_t>(channels), 2);
  put(out, rate, 4);
  put(out, rate * static_cast<uint32_t>(channels) * 2, 4);
  put(out, static_cast<uint32_t>(channels) * 2, 2);
  put(out, 16, 2);
  out += "data";
  put(out, said_bytes, 4);
  for (const int16_t sample : samples) put(out, static_cast<uint16_t>(sample), 2);
  return out;
}

class SoundFile : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_write_video()) GTEST_SKIP() << "a build without FFmpeg reads no sound";
  }
  std::filesystem::path write(const std::string& bytes, const char* name = "sound.wav") const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }
  std::filesystem::path write(int channels, uint32_t rate, const std::vector<int16_t>& samples) const {
    return write(wav(channels, rate, samples, static_cast<uint32_t>(2 * samples.size())));
  }
  void expect_refused(const std::filesystem::path& file, const std::string& saying) const {
    try {
      read_sound(file);
      ADD_FAILURE() << "accepted, expected: " << saying;
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::kInput);
      EXPECT_THAT(problem.what(), HasSubstr(file.string()));
      EXPECT_THAT(problem.what(), HasSubstr(saying));
    }
  }
  const test::TemporaryFolder folder_;
};

TEST_F(SoundFile, SamplesOf16BitsAreExact) {
  const Sound sound = read_sound(write(1, 16000, {0, 16384, -32768, 32767}));
  EXPECT_EQ(sound.rate, 16000);
  EXPECT_EQ(sound.channels, 1);
  EXPECT_THAT(sound.samples, ElementsAre(0.0f, 0.5f, -1.0f, 32767.0f / 32768));
  EXPECT_EQ(resampled(sound.samples, 16000, 16000), sound.samples);
}

// One sound in each form: FLAC loses nothing, the others add silence and lose what is not heard.
TEST_F(SoundFile, IsReadInEveryForm) {
  const std::filesystem::path seeds = std::filesystem::path(WAN_SOURCE_DIR) / "tests/fuzz/seeds/sound";
  const Sound wave = read_sound(seeds / "voice.wav");
  ASSERT_EQ(wave.frames(), 400);
  EXPECT_EQ(read_sound(seeds / "voice.flac").samples, wave.samples);
  for (const char* name : {"voice.mp3", "voice.aac", "voice.m4a"}) {
    const Sound sound = read_sound(seeds / name);
    EXPECT_EQ(sound.rate, 16000) << name;
    EXPECT_EQ(sound.channels, 1) << name;
    EXPECT_GE(sound.frames(), 400) << name;
    EXPECT_LE(sound.frames(), 400 + 3 * 1024) << name;
    double loudest = 0;
    for (const float sample : sound.samples) loudest = std::max(loudest, std::abs(double{sample}));
    EXPECT_GT(loudest, 0.01) << name;
  }
}

TEST_F(SoundFile, ChannelsAreAveragedWhateverTheirPlaces) {
  const Sound sound = read_sound(write(3, 48000, {3000, 6000, 9000, -3000, 0, 0}));
  EXPECT_EQ(sound.channels, 3);
  EXPECT_THAT(to_mono(sound), ElementsAre(6000.0f / 32768, -1000.0f / 32768));
}

TEST_F(SoundFile, AToneStaysItselfAtAnotherRate) {
  constexpr int kFrom = 44100, kTo = 16000;
  const auto tone = [](int rate, int i) { return std::sin(2 * std::numbers::pi * 440 * i / rate); };
  std::vector<float> samples;
  for (int i = 0; i < kFrom / 2; ++i) samples.push_back(static_cast<float>(tone(kFrom, i)));
  const std::vector<float> out = resampled(samples, kFrom, kTo);
  ASSERT_EQ(out.size(), static_cast<size_t>(kTo / 2));
  for (int i = 200; i < kTo / 2 - 200; ++i) ASSERT_NEAR(out[static_cast<size_t>(i)], tone(kTo, i), 1e-3) << i;
}

TEST_F(SoundFile, FloatsThatAreNoSoundAreRefused) {
  for (const uint32_t bits : {0x7fc00000u, 0x7f800000u, 0x60ad78ecu}) {  // not a number, infinite, 1e20
    std::string bytes = wav(1, 16000, {}, 8);
    bytes[20] = 3;  // IEEE float
    bytes[32] = 4;  // bytes a sample
    bytes[34] = 32;
    put(bytes, 0x3f000000u, 4);
    put(bytes, bits, 4);
    expect_refused(write(bytes), "no numbers or far above full scale");
  }
}

TEST_F(SoundFile, WhatIsNoSoundOrTooMuchIsRefused) {
  expect_refused(write("no sound at all, but long enough to be looked at twice, as text is"), "cannot read it as WAV");
  expect_refused(write(""), "cannot");
  expect_refused(folder_ / "nowhere.wav", "cannot read it");
  // Other readers of FFmpeg open other files.
  expect_refused(
      write("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", "list.wav"),
      "cannot read it");
  expect_refused(write(1, 8, {1, 2, 3}), "expected 1 to 64 at 1000 to 384000");
  expect_refused(write(wav(1, 16000, {}, 0)), "expected sound in it, found none");
  const std::vector<int16_t> long_silence(1000 * 301);
  expect_refused(write(1, 1000, long_silence), "is longer than 300 s");
}

TEST_F(SoundFile, AHeaderThatSaysMoreThanThereIsIsTakenForWhatThereIs) {
  EXPECT_EQ(read_sound(write(wav(1, 16000, {1, 2, 3}, 0x7fffff00))).samples.size(), 3u);
}

}  // namespace
}  // namespace wan
