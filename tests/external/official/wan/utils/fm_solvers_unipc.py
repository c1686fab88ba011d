class FlowUniPCMultistepScheduler:
    def step(self, model_output, timestep, sample):
        return (sample * 0.9 + model_output * 0.1,)
