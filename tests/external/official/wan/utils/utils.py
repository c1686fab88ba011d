def save_video(tensor, save_file):
    tensor.cpu()
