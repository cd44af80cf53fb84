"""Where does an image classifier fail, where was it looking, and may that picture be believed?"""
